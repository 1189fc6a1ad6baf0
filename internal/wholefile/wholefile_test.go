package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"sundial/internal/wholefile"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "clock")
	for _, text := range []string{"first, which is longer", "second"} {
		if err := wholefile.Replace(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("it holds %q, want %q: %v", got, text, err)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	only(t, dir, "clock")
}

func TestWhatCannotBeReplacedStays(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "clock")
	kept := filepath.Join(name, "kept")
	if err := os.Mkdir(name, 0o700); err != nil { // a folder is in the place of the file
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wholefile.Replace(name, []byte("text")); err == nil {
		t.Error("a folder was replaced")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	only(t, dir, "clock")
	if err := wholefile.Replace(filepath.Join(dir, "nowhere", "clock"), nil); err == nil {
		t.Error("a file was made in a folder that is not there")
	}
}

// only checks that this alone is in a folder.
func only(t testing.TB, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}
