package main

import (
	"reflect"
	"strings"
	"testing"

	"sundial/internal/pushcert"
)

// TestHelpNamesEveryPlatform holds the line of help, which is written by hand, against the table of platforms.
func TestHelpNamesEveryPlatform(t *testing.T) {
	field, _ := reflect.TypeFor[certificateAddCmd]().FieldByName("Platform")
	var names []string
	for _, p := range pushcert.Platforms() {
		names = append(names, p.Name)
	}
	last := len(names) - 1
	want := strings.Join(names[:last], ", ") + " or " + names[last] + "."
	if got := field.Tag.Get("help"); got != want {
		t.Errorf("certificate add --help says %q, the platforms are %q", got, want)
	}
}
