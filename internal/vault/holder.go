package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Holder is what has data keys of its own: an app, or a thing in it that can be deleted alone.
type Holder struct {
	App  uint64 // SDKAppID, not 0
	Item string // [a-z0-9-]{1,40}, such as certificate-17; empty for the app itself
}

// Place is where a sealed value belongs: it unseals nowhere else. Both are stored names, and neither may be empty.
type Place struct {
	Event string // such as app.created.v1
	Field string // such as key
}

// theLog is the holder of the keys that are the log's own. Nobody outside can name it, so nothing is sealed for it and
// nothing destroys its keys.
var theLog = Holder{}

// String is the SDKAppID, and the item after a slash.
func (h Holder) String() string {
	if h == theLog {
		return "the log"
	}
	if h.Item == "" {
		return strconv.FormatUint(h.App, 10)
	}
	return strconv.FormatUint(h.App, 10) + "/" + h.Item
}

var itemName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (h Holder) check() error {
	if h.App == 0 {
		return errors.New("vault: a holder needs an app")
	}
	if h.Item != "" && !itemName.MatchString(h.Item) {
		return errors.New("vault: an item's name is 1 to 40 of a-z, 0-9 and -")
	}
	return nil
}

func (p Place) check() error {
	if p.Event == "" || p.Field == "" {
		return errors.New("vault: a sealed value needs the event and the field that it belongs to")
	}
	return nil
}

// app is the app that the holder is or belongs to.
func (h Holder) app() Holder { return Holder{App: h.App} }

// The subjects. Which root key is in force stands beside the keys, so that one order of sequences decides about both.
const (
	subjects    = "keys.>"
	rootSubject = "keys.root"
	seamSubject = "keys.seam" // see laySeam
	logSubject  = "keys.log"
)

// ofHolder tells whether a subject is that of a holder's record, and not one of the vault's own.
func ofHolder(subject string) bool { return subject != rootSubject && subject != seamSubject }

func (h Holder) subject() string {
	if h == theLog {
		return logSubject
	}
	if h.Item == "" {
		return "keys.app." + strconv.FormatUint(h.App, 10)
	}
	return h.itemSubjects() + h.Item
}

// itemSubjects is what the subjects of the app's items begin with.
func (h Holder) itemSubjects() string { return "keys.item." + strconv.FormatUint(h.App, 10) + "." }

// holderOf gives the holder whose record has the subject.
func holderOf(subject string) (Holder, error) {
	if subject == logSubject {
		return theLog, nil
	}
	parts := strings.Split(subject, ".")
	if len(parts) < 3 {
		return Holder{}, fmt.Errorf("vault: %q is not the subject of a holder", subject)
	}
	app, err := strconv.ParseUint(parts[2], 10, 64)
	h := Holder{App: app}
	if len(parts) == 4 {
		h.Item = parts[3]
	}
	if err != nil || h.check() != nil || h.subject() != subject {
		return Holder{}, fmt.Errorf("vault: %q is not the subject of a holder", subject)
	}
	return h, nil
}

// bind gives the associated data of what is done for a purpose: no two lists of parts give the same.
func bind(purpose string, parts ...string) []byte {
	out := appendPart(nil, []byte(purpose))
	for _, p := range parts {
		out = appendPart(out, []byte(p))
	}
	return out
}

func appendPart(out, part []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(part))), part...)
}

func (h Holder) bind(purpose string, parts ...string) []byte {
	return bind(purpose, append([]string{strconv.FormatUint(h.App, 10), h.Item}, parts...)...)
}
