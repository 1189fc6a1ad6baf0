package pushcert

import (
	"bytes"
	"encoding/pem"
	"regexp"
	"strings"
)

var (
	byteOrderMark = []byte("\ufeff")

	// written are line ends that were written out, as in a variable of the environment.
	written = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\r`, "\n")

	// block is a PEM block whose line ends may be spaces, or gone.
	block = regexp.MustCompile(`^\s*-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]+)-----END ([A-Z0-9 ]+)-----\s*$`)
)

// onlyBlock gives the one PEM block of a text, and the text as any reader of PEM takes it: line ends that are written out
// or gone are put in. It is nil where there is not one block.
func onlyBlock(text []byte) (*pem.Block, []byte) {
	if b, rest := pem.Decode(text); b != nil {
		if len(bytes.TrimSpace(rest)) > 0 {
			return nil, nil
		}
		return b, text
	}
	found := block.FindStringSubmatch(written.Replace(string(text)))
	if found == nil || found[1] != found[3] {
		return nil, nil
	}
	mended := "-----BEGIN " + found[1] + "-----\n"
	const line = 64
	content := strings.Join(strings.Fields(found[2]), "")
	for ; len(content) > line; content = content[line:] {
		mended += content[:line] + "\n"
	}
	mended += content + "\n-----END " + found[1] + "-----\n"
	b, _ := pem.Decode([]byte(mended))
	return b, []byte(mended)
}
