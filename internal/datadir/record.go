package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/jserror"
	"sundial/internal/streams"
	"sundial/internal/wholefile"
)

// RecordFile is the name of the record in a directory. Its first form was the log's identity alone.
const RecordFile = "log.identity"

// Format is the latest form of a directory that this program knows: whoever changes what older programs would misread
// raises it, and they refuse the directory in words.
const Format = 2

// Servers on which the log can lie.
const (
	Embedded = "nats"    // embedded, with its files in this folder of the directory
	Outside  = "cluster" // run by others
)

// Record is what a directory says of itself; a cluster has one for all of its nodes, beside that of each.
type Record struct {
	Format int               `json:"format"`
	Log    string            `json:"log"`    // identity
	Server string            `json:"server"` // that has the log: Embedded or Outside
	Stream string            `json:"stream"` // the log's, there
	Epochs eventstore.Epochs `json:"epochs,omitzero"`
	Writer string            `json:"writer"` // version of the program that wrote it

	// Restoring stands while a new epoch is begun, which takes several steps.
	Restoring bool `json:"restoring,omitzero"`
}

// firstForm is the record as it was before it had a form.
var firstForm = regexp.MustCompile(`^[A-Z2-7]{26}\n?$`)

// ReadRecord reads a directory's record; a zero one where there is none. *DamageError if it is not what was written, or was
// written by a later version.
func ReadRecord(path string) (Record, error) {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("data directory: %w", err)
	}
	return parseRecord(text, path, "move it out of the directory, and start again: the record is made anew from the log. If the log does not start either, restore the directory from a backup")
}

func parseRecord(text []byte, where, fix string) (Record, error) {
	if firstForm.Match(text) {
		return Record{Format: 1, Log: string(text[:26])}, nil
	}
	damaged := func(err error) (Record, error) {
		return Record{}, Damage(RecordDamaged, where, fmt.Sprintf("%s, the record of the data directory, is damaged: %v", where, err), fix)
	}
	body, err := unseal(text)
	if err != nil {
		return damaged(err)
	}
	var form struct {
		Format int    `json:"format"`
		Writer string `json:"writer"`
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return damaged(err)
	}
	if form.Format > Format {
		return Record{}, Damage(DirectoryNewer, where,
			fmt.Sprintf("%s says that the data directory has format %d, written by sundial %s: this program knows formats up to %d", where, form.Format, form.Writer, Format),
			"start it with that version or a later one; for this version, restore a directory that it has written")
	}
	var r Record
	if err := json.Unmarshal(body, &r, json.RejectUnknownMembers(true)); err != nil {
		return damaged(err)
	}
	if r.Format < 2 || r.Log == "" || r.Epochs.Check() != nil {
		return damaged(errors.New("what stands in it makes no sense"))
	}
	return r, nil
}

func (r *Record) sealed() ([]byte, error) {
	body, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return seal(body), nil
}

// Write puts the record into a file, whole or not at all.
func (r *Record) Write(path string) error {
	text, err := r.sealed()
	if err == nil {
		err = wholefile.Replace(path, text)
	}
	if err != nil {
		return fmt.Errorf("data directory: keeping its record: %w", err)
	}
	return nil
}

// Same tells whether two records say the same.
func (r *Record) Same(other *Record) bool {
	a, err := r.sealed()
	b, err2 := other.sealed()
	return err == nil && err2 == nil && string(a) == string(b)
}

// The record of a cluster.
const (
	sharedBucket = "SUNDIAL_DIRECTORY"
	sharedKey    = "record"
	sharedName   = sharedBucket + "/" + sharedKey
)

// Shared is the record that the nodes of a cluster have together.
type Shared struct{ bucket jetstream.KeyValue }

// OpenShared opens it, and makes an empty one where there is none.
func OpenShared(ctx context.Context, js jetstream.JetStream, replicas int) (*Shared, error) {
	bucket, err := streams.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket: sharedBucket, Description: "what the nodes of this Sundial have together: which log, and its epoch",
		Storage: jetstream.FileStorage, Replicas: max(replicas, 1), MaxValueSize: maxFile / 2, // a message holds it
	})
	if err != nil {
		return nil, fmt.Errorf("the record of the cluster: %w", err)
	}
	return &Shared{bucket}, nil
}

// Read reads the record with its revision; a zero one if there is none.
func (s *Shared) Read(ctx context.Context) (Record, uint64, error) {
	entry, err := s.bucket.Get(ctx, sharedKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Record{}, 0, nil
	}
	if err != nil {
		return Record{}, 0, fmt.Errorf("the record of the cluster: %w", err)
	}
	r, err := parseRecord(entry.Value(), sharedName, "delete the key "+sharedKey+" of the bucket "+sharedBucket+", and start again: the record is made anew from the log")
	return r, entry.Revision(), err
}

// Write puts the record in the place of the one with a revision, 0 for none. It tells whether it did: another node may have
// been first.
func (s *Shared) Write(ctx context.Context, r *Record, revision uint64) (bool, error) {
	text, err := r.sealed()
	if err == nil {
		_, err = s.bucket.Update(ctx, sharedKey, text, revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || jserror.Overtaken(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the record of the cluster: %w", err)
	}
	return true, nil
}
