package pushcert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxUnknown bounds how many unknown fields one answer names.
	maxUnknown = 20

	// instant is how times are written: RFC 3339 in UTC with milliseconds.
	instant = "2006-01-02T15:04:05.000Z"
)

// Parsed is what a certificate holds. Whoever keeps it seals Secrets and stores the rest.
type Parsed struct {
	Platform string

	// Public are the plain fields and what was read from files, all as text; see JSON. Times are RFC 3339 in UTC with
	// milliseconds. The same fields always give the same texts.
	Public map[string]string

	// Secrets are the secret fields that were sent. A file is there as its bytes.
	Secrets map[string][]byte

	// Kept names the secret fields that an edit leaves as they are, sorted. Any other one that was there before is
	// replaced or dropped.
	Kept []string

	NotAfter time.Time // when an apns_p12 expires; zero for the others
}

// Parse reads a new certificate: its platform and its fields, each as it stands in JSON. A field that is null is absent.
// The caller bounds the size of it all. The error is always an *Invalid, which names every field that is wrong.
func Parse(platform string, fields map[string]jsontext.Value, now time.Time) (Parsed, error) {
	return read(platform, nil, fields, now)
}

// Edit reads a change of a certificate. Fields that are not named stay, secret ones too, which nobody has in the clear;
// null removes an optional one. Files with what belongs to them are changed together: a p12 with its password. Naming a
// field of FCM's other way of access goes over to it, and drops the fields of the former.
//
// Of present only Platform and Public matter. The error is always an *Invalid.
func Edit(present Parsed, change map[string]jsontext.Value, now time.Time) (Parsed, error) {
	return read(present.Platform, &present, change, now)
}

// draft is a certificate that is being read.
type draft struct {
	Parsed
	platform *Platform
	way      string // of access, if the platform has several
	present  *Parsed
	given    map[string]jsontext.Value // fields that are not null
	now      time.Time
	wrong    []FieldError
}

func read(platform string, present *Parsed, fields map[string]jsontext.Value, now time.Time) (Parsed, error) {
	p := platformOf(platform)
	if p == nil {
		return Parsed{}, &Invalid{[]FieldError{{"platform", unknownPlatform.Code, unknownPlatform.Detail}}}
	}
	d := draft{
		Parsed:   Parsed{Platform: platform, Public: map[string]string{}, Secrets: map[string][]byte{}},
		platform: p, present: present, now: now, given: map[string]jsontext.Value{},
	}
	for name, value := range fields {
		if value.Kind() != 'n' {
			d.given[name] = value
		}
	}
	d.chooseWay()
	for i := range p.Fields {
		_, named := fields[p.Fields[i].Name]
		d.read(&p.Fields[i], named)
	}
	if p.finish != nil {
		p.finish(&d)
	}
	d.refuseUnknown(fields)
	if len(d.wrong) > 0 {
		return Parsed{}, &Invalid{d.wrong}
	}
	slices.Sort(d.Kept)
	return d.Parsed, nil
}

// say notes what is wrong with a field, in the code's words or more exactly.
func (d *draft) say(field string, c Code, exactly ...string) {
	d.wrong = append(d.wrong, notice(field, c, exactly...))
}

func notice(field string, c Code, exactly ...string) FieldError {
	detail := c.Detail
	if len(exactly) > 0 {
		detail = exactly[0]
	}
	return FieldError{field, c.Code, detail}
}

// chooseWay finds out which of the platform's ways of access the fields are for: the one of a field that is given,
// else the present one, else the first.
func (d *draft) chooseWay() {
	var ways []string
	for _, f := range d.platform.Fields {
		if f.Way != "" && d.given[f.Name] != nil && !slices.Contains(ways, f.Way) {
			ways = append(ways, f.Way)
		}
	}
	switch {
	case len(ways) > 0:
		d.way = ways[0] // the first in the table
	case d.present != nil:
		d.way = wayOf(d.present)
	case d.platform.field(fieldServiceAccount) != nil:
		d.way = wayServiceAccount
	}
}

// wayOf tells by the plain fields, since the secret ones are not to be seen.
func wayOf(p *Parsed) string {
	_, legacy := p.Public[fieldPackageName]
	switch {
	case platformOf(p.Platform).field(fieldServiceAccount) == nil:
		return ""
	case legacy:
		return wayLegacy
	}
	return wayServiceAccount
}

// read takes one field from what is given or from what is present.
func (d *draft) read(f *Field, named bool) {
	value := d.given[f.Name]
	switch {
	case f.Way != "" && f.Way != d.way:
		if value != nil {
			d.say(f.Name, surplusField)
		}
	case value != nil:
		d.give(f, value)
	case f.With != "" && d.given[f.With] != nil:
		d.say(f.Name, required, "is required together with "+f.With)
	case !named && d.stays(f):
	case f.Optional:
	case f.Name == fieldServiceAccount:
		d.say(f.Name, required, "is required, or package_name, sender_id and server_key")
	default:
		d.say(f.Name, required)
	}
}

// stays carries a field over that an edit does not name.
func (d *draft) stays(f *Field) bool {
	if d.present == nil || f.Way != "" && f.Way != wayOf(d.present) {
		return false
	}
	if f.Secret {
		d.Kept = append(d.Kept, f.Name)
		return true
	}
	value, there := d.present.Public[f.Name]
	if there {
		d.Public[f.Name] = value
	}
	return there
}

// give reads a value that is given.
func (d *draft) give(f *Field, value jsontext.Value) {
	content, wrong := f.read(value)
	switch {
	case wrong != nil:
		d.wrong = append(d.wrong, *wrong)
	case f.Secret:
		d.Secrets[f.Name] = content
	default:
		d.Public[f.Name] = string(content)
	}
}

// refuseUnknown names the fields that the platform does not have. Names come from the client, so one that does not look
// like the name of a field is not repeated.
func (d *draft) refuseUnknown(fields map[string]jsontext.Value) {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if d.platform.field(name) == nil && len(unknown) < maxUnknown {
			unknown = append(unknown, name)
		}
	}
	for _, name := range unknown {
		if instead := d.platform.instead[name]; instead != "" {
			d.say(name, unknownField, instead)
			continue
		}
		if !looksLikeName(name) {
			name = "?"
		}
		d.say(name, unknownField, fmt.Sprintf("is not a field of this platform, which has %s", d.platform.fieldNames()))
	}
}

func (p *Platform) fieldNames() string {
	var names []string
	for _, f := range p.Fields {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// looksLikeName says whether a text is no more than the name of a field.
func looksLikeName(s string) bool {
	word, digits := 0, 0
	for _, c := range []byte(s) {
		switch {
		case c == '_':
			word = 0
			continue
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z':
		default:
			return false
		}
		if word++; word > maxNameWord || digits > maxNameDigits {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 40
}

// What is made up of more is a key, a token or a password that stands where a name should.
const (
	maxNameWord   = 15 // characters between underscores
	maxNameDigits = 3
)

// keepRead carries over what was read from a file that an edit does not replace.
func (d *draft) keepRead() {
	if d.present == nil {
		return
	}
	for _, name := range d.platform.Reads {
		if value, there := d.present.Public[name]; there {
			d.Public[name] = value
		}
	}
	d.NotAfter = timeOf(d.Public[fieldNotAfter])
}

// timeOf gives the zero time for what is not there.
func timeOf(text string) time.Time {
	at, err := time.Parse(instant, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// JSON gives plain fields as they stand in JSON, for answers: texts as strings, an action as an object.
func JSON(public map[string]string) map[string]jsontext.Value {
	out := make(map[string]jsontext.Value, len(public))
	for name, text := range public {
		if name == fieldClickAction {
			out[name] = jsontext.Value(text)
			continue
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil { // not UTF-8, which Parse never gives
			continue
		}
		out[name] = quoted
	}
	return out
}
