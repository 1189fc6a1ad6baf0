package eventstore

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
)

// Codec turns events of the program's types E into stored ones and back. It knows each type by the name that its
// Type method gives; older names live on as upcasts. It is safe for concurrent use.
type Codec[E interface{ Type() string }] struct {
	types map[string]decode[E]
}

// decode reads an event's data into the program's type of today.
type decode[E any] func(data []byte) (E, error)

// strictly refuses what a stored event cannot hold: duplicate names and names in another case are refused by
// default, unknown members here.
var strictly = json.JoinOptions(json.RejectUnknownMembers(true))

// NewCodec makes a codec from one prototype (its zero value, or a pointer to one) for each type and from the
// upcasts of older ones. Two that claim one name are an error.
func NewCodec[E interface{ Type() string }](prototypes []E, upcasts ...Upcast[E]) (*Codec[E], error) {
	c := &Codec[E]{types: make(map[string]decode[E], len(prototypes)+len(upcasts))}
	add := func(name string, d decode[E]) error {
		if name == "" {
			return errors.New("eventstore: an event type without a name")
		}
		if _, double := c.types[name]; double {
			return fmt.Errorf("eventstore: two event types are called %s", name)
		}
		c.types[name] = d
		return nil
	}
	for _, p := range prototypes {
		t := reflect.TypeOf(p)
		if t == nil {
			return nil, errors.New("eventstore: a nil prototype")
		}
		if err := add(p.Type(), decodeInto[E](t)); err != nil {
			return nil, err
		}
	}
	for _, u := range upcasts {
		if err := add(u.name, u.decode); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func decodeInto[E any](t reflect.Type) decode[E] {
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	return func(data []byte) (E, error) {
		v := reflect.New(t)
		if err := json.Unmarshal(data, v.Interface(), strictly); err != nil {
			var none E
			return none, err
		}
		if !pointer {
			v = v.Elem()
		}
		return v.Interface().(E), nil //nolint:forcetypeassert // the prototype was an E
	}
}

// Upcast reads events stored under an older name.
type Upcast[E any] struct {
	name   string
	decode decode[E]
}

// NewUpcast says that events stored under name have the shape Old, and how to turn it into a type of today. Old
// shapes stay as unexported types; nothing downstream sees them.
func NewUpcast[Old, E any](name string, up func(Old) E) Upcast[E] {
	return Upcast[E]{name: name, decode: func(data []byte) (E, error) {
		var old Old
		if err := json.Unmarshal(data, &old, strictly); err != nil {
			var none E
			return none, err
		}
		return up(old), nil
	}}
}

// Encode gives the stored form of an event. A type that Decode would not know is an error, so that nothing is
// written that cannot be read.
func (c *Codec[E]) Encode(e E) (Event, error) {
	name := e.Type()
	if _, known := c.types[name]; !known {
		return Event{}, fmt.Errorf("eventstore: event type %s is not among the codec's prototypes: add it", name)
	}
	data, err := json.Marshal(e, json.Deterministic(true))
	if err != nil {
		return Event{}, fmt.Errorf("eventstore: encoding an event %s: %w", name, err)
	}
	return Event{Type: name, Data: data}, nil
}

// UnknownTypeError says that the log holds an event that this program does not know, most likely written by a
// newer one.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("eventstore: unknown event type %q: run the version of the program that wrote it, or a newer one", e.Type)
}

// Decode gives the program's type of a stored event, through an upcast if its name is an old one. An unknown type
// (*UnknownTypeError) and an unknown member are errors: to pass over a fact would make a wrong state.
func (c *Codec[E]) Decode(e Event) (E, error) {
	d, known := c.types[e.Type]
	if !known {
		var none E
		return none, &UnknownTypeError{Type: e.Type}
	}
	out, err := d(e.Data)
	if err != nil {
		return out, fmt.Errorf("eventstore: decoding an event %s: %w", e.Type, err)
	}
	return out, nil
}

// Types lists the names that Decode knows, in no order.
func (c *Codec[E]) Types() []string {
	names := make([]string, 0, len(c.types))
	for name := range c.types {
		names = append(names, name)
	}
	return names
}
