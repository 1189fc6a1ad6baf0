package pushcert

import "encoding/asn1"

// maxDepth bounds how deep BER is nested: a p12 file has some ten levels.
const maxDepth = 32

// definite writes one element of BER as DER, as far as p12 files need it: lengths are definite and as short as can be, and
// a string that comes in pieces is one. It gives what stands after the element.
func definite(ber []byte) (der, rest []byte, fine bool) {
	e := element{rest: ber}
	if !e.read(0) {
		return nil, nil, false
	}
	return e.der, e.rest, true
}

// element is one element that is being read.
type element struct {
	rest    []byte // what is still to be read
	tag     []byte
	content []byte
	der     []byte
}

// octets is the tag of an octet string; one in pieces is constructed.
const octets, constructed = asn1.TagOctetString, 0x20

func (e *element) read(depth int) bool {
	indefinite, length, fine := e.header()
	if !fine || depth > maxDepth || !indefinite && length > len(e.rest) {
		return false
	}
	if e.tag[0]&constructed == 0 {
		if indefinite {
			return false
		}
		e.content, e.rest = e.rest[:length], e.rest[length:]
		e.write()
		return true
	}
	inside := e.rest
	if !indefinite {
		inside, e.rest = e.rest[:length], e.rest[length:]
	}
	pieces := e.tag[0] == octets|constructed
	for {
		switch {
		case indefinite && len(inside) >= 2 && inside[0] == 0 && inside[1] == 0:
			e.rest = inside[2:]
		case len(inside) > 0:
			child := element{rest: inside}
			if !child.read(depth + 1) {
				return false
			}
			inside = child.rest
			if !pieces {
				e.content = append(e.content, child.der...)
				continue
			}
			if len(child.tag) != 1 || child.tag[0] != octets {
				return false
			}
			e.content = append(e.content, child.content...)
			continue
		case indefinite:
			return false
		}
		break
	}
	if pieces {
		e.tag = []byte{octets}
	}
	e.write()
	return true
}

// header reads tag and length.
func (e *element) header() (indefinite bool, length int, fine bool) {
	size := 1
	if len(e.rest) > 0 && e.rest[0]&0x1f == 0x1f {
		for size < len(e.rest) && e.rest[size]&0x80 != 0 {
			size++
		}
		size++
	}
	if len(e.rest) <= size {
		return false, 0, false
	}
	e.tag, e.rest = e.rest[:size:size], e.rest[size:]
	first := e.rest[0]
	e.rest = e.rest[1:]
	switch count := int(first & 0x7f); {
	case first < 0x80:
		return false, int(first), true
	case count == 0:
		return true, 0, true
	case count > 4 || count > len(e.rest):
		return false, 0, false
	default:
		for _, b := range e.rest[:count] {
			length = length<<8 | int(b)
		}
		e.rest = e.rest[count:]
		return false, length, length >= 0
	}
}

func (e *element) write() {
	e.der = append(e.der, e.tag...)
	switch n := len(e.content); {
	case n < 0x80:
		e.der = append(e.der, byte(n))
	case n <= 0xff:
		e.der = append(e.der, 0x81, byte(n))
	case n <= 0xffff:
		e.der = append(e.der, 0x82, byte(n>>8), byte(n))
	default: // no file is longer than some 64 KiB
		e.der = append(e.der, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	e.der = append(e.der, e.content...)
}
