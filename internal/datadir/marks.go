package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/wholefile"
)

// MarksFile is the name of the file of marks in a directory.
const MarksFile = "stream.marks"

const (
	// marksFormat is the form of the file; a later one is not read, and made anew.
	marksFormat = 1

	// askTimeout bounds what is asked of a NATS server for one look at its streams.
	askTimeout = 10 * time.Second
)

// Server is a NATS server that holds streams of a directory.
type Server struct {
	Name      string // Embedded, Outside, or what a directory with several calls it
	JetStream jetstream.JetStream
}

// Mark is how far a stream is known to have come.
type Mark struct {
	Stream string    `json:"stream"` // behind the name of its server: nats/SUNDIAL_KEYS
	Last   uint64    `json:"last"`   // its last sequence
	At     time.Time `json:"at,omitzero"`
	Made   time.Time `json:"made,omitzero"` // when the stream was
}

// marksForm is the file.
type marksForm struct {
	Format int               `json:"format"`
	Log    string            `json:"log"`
	Epochs eventstore.Epochs `json:"epochs,omitzero"`
	Taken  time.Time         `json:"taken"`
	Marks  []Mark            `json:"marks"`
}

// Streams without a mark: an older copy of what holds nothing of value, and is made anew or runs out by itself, is as good.
var unmarked = []string{"SUNDIAL_EVENTS_PROBE", "KV_SUNDIAL_LEASES"}

// remade are the streams that are made anew where they are gone: one is from the log, and whoever deletes the other has the
// whole log published again.
var remade = []string{"SUNDIAL_NUMBERS", "LIFECYCLE"}

// ours tells the program's streams from others of a cluster's account.
func ours(name string) bool {
	return (strings.HasPrefix(name, "SUNDIAL_") || strings.HasPrefix(name, "KV_SUNDIAL_") ||
		name == "BILLING" || name == "PARKED" || name == "LIFECYCLE") && !slices.Contains(unmarked, name)
}

// MarksConfig says of which directory marks are.
type MarksConfig struct {
	Path    string // of the file
	Servers []Server
	Log     *eventstore.Log
	Logger  *slog.Logger // nil discards
	Now     func() time.Time
}

// Marks keeps, outside of every stream, how far each had come: a stream that ends before its mark is an older copy. Marks are
// taken now and then, at an orderly end, and where somebody cannot go on without one (Reach). They lag behind and are never
// ahead: what is marked was on disk before. Safe for concurrent use.
type Marks struct {
	config MarksConfig
	log    *slog.Logger

	writing sync.Mutex // held while the file is written; before mu

	mu    sync.Mutex
	marks map[string]Mark
	epoch string    // whose marks these are
	dirty bool      // they are not all in the file
	taken time.Time // when those in the file were
}

// OpenMarks reads the marks. A file that is damaged is told and made anew: what it guarded against would have to
// happen at the same time to be missed. *DamageError says that it cannot be read at all.
func OpenMarks(config MarksConfig) (*Marks, error) {
	m := &Marks{config: config, log: config.Logger, marks: map[string]Mark{}}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.epoch = config.Log.Epochs().String()
	text, err := readMarks(config.Path)
	if err != nil || text == nil {
		return m, err
	}
	form, err := parseMarks(text)
	switch {
	case err != nil:
		m.log.Error("the marks of the streams are damaged, and are made anew: whether a stream is an older copy cannot be told this time", "file", config.Path, "error", err)
	case form.Log != config.Log.Identity():
		m.log.Warn("the marks of the streams are of another log, and are made anew", "file", config.Path)
	case form.Epochs.Number() < config.Log.Epochs().Number():
		// Another node began an epoch after a restore: what was before it counts no more.
	default:
		m.epoch = form.Epochs.String()
		m.taken = form.Taken
		for _, mark := range form.Marks {
			m.marks[mark.Stream] = mark
		}
	}
	return m, nil
}

const fixMarks = "mend what else is named; a start makes the file anew, and an engine that serves does with what is written next. " +
	"Whether a stream is an older copy cannot be told until then: if anything was restored, compare it with the backup"

// VerifyMarks judges the file of marks as it is on disk: *DamageError if it cannot be read, is not what was written, or is of
// another log than the one with this identity; "" for a log that is not known. None is as good as a new one.
func VerifyMarks(path, identity string) error {
	text, err := readMarks(path)
	if err != nil || text == nil {
		return err
	}
	form, err := parseMarks(text)
	switch {
	case err != nil:
		return Damage(MarksDamaged, MarksFile, fmt.Sprintf("%s, how far the streams had come, is damaged: %v", MarksFile, err), fixMarks)
	case identity != "" && form.Log != identity:
		return Damage(MarksForeign, MarksFile, MarksFile+", how far the streams had come, is of another log", fixMarks)
	}
	return nil
}

// readMarks reads the file, nil where there is none.
func readMarks(path string) ([]byte, error) {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Damage(MarksUnreadable, MarksFile, fmt.Sprintf("%s, how far the streams had come, cannot be read: %v", MarksFile, err),
			"let the engine's user read it, or move it out of the directory: a start makes it anew, and cannot tell that one time whether a stream is an older copy")
	}
	return text, nil
}

func parseMarks(text []byte) (form marksForm, err error) {
	body, err := unseal(text)
	if err != nil {
		return form, err
	}
	if err := json.Unmarshal(body, &form); err != nil {
		return form, err
	}
	if form.Format != marksFormat || form.Epochs.Check() != nil {
		return form, errors.New("it is of another form")
	}
	return form, nil
}

// look asks every server for its streams, and gives ours by their names in marks.
func (m *Marks) look(ctx context.Context) (map[string]*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	found := map[string]*jetstream.StreamInfo{}
	for _, s := range m.config.Servers {
		list := s.JetStream.ListStreams(ctx)
		for info := range list.Info() {
			if ours(info.Config.Name) {
				found[s.Name+"/"+info.Config.Name] = info
			}
		}
		if err := list.Err(); err != nil {
			return nil, fmt.Errorf("data directory: looking at the streams of %s: %w", s.Name, err)
		}
	}
	return found, nil
}

const fixStream = "stop, keep a copy of the data directory, and put the newest copy of what is named back, or restore the whole directory from one backup; " +
	"if there is nothing newer, sundial restored goes on with what is there, in a new epoch"

// Check compares every stream with its mark: *DamageError naming each that is an older copy, is gone, or is of another epoch.
func (m *Marks) Check(ctx context.Context) error {
	found, err := m.look(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	marks, epoch, taken := maps.Clone(m.marks), m.epoch, m.taken
	m.mu.Unlock()
	serving := m.config.Log.Epochs().String()
	var wrong []Finding
	if epoch != serving {
		wrong = append(wrong, Finding{StreamForeign, Embedded + "/SUNDIAL_EVENTS",
			fmt.Sprintf("the log is of the epochs %s, and the directory was in %s: it is a copy from before a restore", serving, epoch)})
	}
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		mark, info := marks[name], found[name]
		if finding, is, err := m.judge(ctx, &mark, info, taken); err != nil {
			return err
		} else if is {
			wrong = append(wrong, finding)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		// Those of directories from before there were stamps have none.
		if stamp, has := found[name].Config.Metadata[eventstore.EpochsKey]; has && stamp != serving {
			wrong = append(wrong, Finding{StreamForeign, name, fmt.Sprintf("%s is of the epochs %s, and the log of %s: it is a copy from another time", name, stamp, serving)})
		}
	}
	if len(wrong) > 0 {
		return &DamageError{wrong, fixStream}
	}
	return nil
}

// judge compares a stream, nil where it is gone, with its mark.
func (m *Marks) judge(ctx context.Context, mark *Mark, info *jetstream.StreamInfo, taken time.Time) (Finding, bool, error) {
	_, bare, _ := strings.Cut(mark.Stream, "/")
	anew := slices.Contains(remade, bare)
	switch {
	case mark.Last == 0 || info == nil && anew:
		return Finding{}, false, nil
	case info == nil:
		return Finding{StreamMissing, mark.Stream, fmt.Sprintf("%s is gone: it had come to %d by %s", mark.Stream, mark.Last, stamp(taken))}, true, nil
	case anew && !info.Created.Equal(mark.Made):
		return Finding{}, false, nil
	case info.State.LastSeq < mark.Last:
		return Finding{StreamOlder, mark.Stream,
			fmt.Sprintf("%s ends at %d, and had come to %d by %s: it is an older copy, or has lost its end", mark.Stream, info.State.LastSeq, mark.Last, stamp(taken))}, true, nil
	case mark.At.IsZero() || mark.Last < info.State.FirstSeq:
		return Finding{}, false, nil
	}
	at, is, err := m.timeOf(ctx, mark.Stream, mark.Last)
	if err != nil || !is || at.Equal(mark.At) {
		return Finding{}, false, err
	}
	return Finding{StreamForeign, mark.Stream,
		fmt.Sprintf("%s holds at %d what was written %s, and not what was there by %s: it is a copy from another time", mark.Stream, mark.Last, stamp(at), stamp(taken))}, true, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// timeOf is when the message at a sequence was written, if it is still there.
func (m *Marks) timeOf(ctx context.Context, name string, sequence uint64) (time.Time, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	js, stream := m.find(name)
	opened, err := js.Stream(ctx, stream)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("data directory: looking into %s: %w", name, err)
	}
	message, err := opened.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("data directory: looking into %s: %w", name, err)
	}
	return message.Time, true, nil
}

func (m *Marks) find(name string) (jetstream.JetStream, string) {
	server, stream, _ := strings.Cut(name, "/")
	for _, s := range m.config.Servers {
		if s.Name == server {
			return s.JetStream, stream
		}
	}
	return nil, stream
}

// Written gives a channel that tells once that something may have been written to a stream since, until stop is called.
func (m *Marks) Written(ctx context.Context) (written <-chan struct{}, stop func(), err error) {
	found, err := m.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	told := make(chan struct{}, 1)
	var heard []*nats.Subscription
	stop = func() {
		for _, sub := range heard {
			_ = sub.Unsubscribe() // one that was told has ended
		}
	}
	for name, info := range found {
		js, _ := m.find(name)
		for _, subject := range info.Config.Subjects {
			sub, err := js.Conn().Subscribe(subject, func(*nats.Msg) {
				select {
				case told <- struct{}{}:
				default:
				}
			})
			if err == nil {
				heard = append(heard, sub)
				err = sub.AutoUnsubscribe(1) // however much is written, one message is enough
			}
			if err != nil {
				stop()
				return nil, nil, fmt.Errorf("data directory: listening to %s: %w", name, err)
			}
		}
	}
	return told, stop, nil
}

// Take looks how far every stream has come and writes it down, if there is anything new.
func (m *Marks) Take(ctx context.Context) error {
	found, err := m.look(ctx)
	if err != nil {
		return err
	}
	return m.take(found)
}

// ErrEpoch says that a new epoch was begun since the log was opened: it is to be opened again.
var ErrEpoch = errors.New("data directory: a new epoch was begun")

// Tend takes marks, unless a new epoch was begun (ErrEpoch).
func (m *Marks) Tend(ctx context.Context) error {
	found, err := m.look(ctx)
	if err != nil {
		return err
	}
	for name, info := range found {
		_, bare, _ := strings.Cut(name, "/")
		if stamp, has := info.Config.Metadata[eventstore.EpochsKey]; bare == m.config.Log.Stream() && has && stamp != m.config.Log.Epochs().String() {
			return ErrEpoch
		}
	}
	return m.take(found)
}

func (m *Marks) take(found map[string]*jetstream.StreamInfo) error {
	m.mu.Lock()
	for name, info := range found {
		_, bare, _ := strings.Cut(name, "/")
		old, known := m.marks[name]
		mark := Mark{name, info.State.LastSeq, info.State.LastTime, info.Created}
		switch {
		case known && mark.Last < old.Last && (!slices.Contains(remade, bare) || mark.Made.Equal(old.Made)):
			// It went back under our eyes; the next start says so.
		case mark.Last == old.Last && !old.At.IsZero() && mark.Made.Equal(old.Made):
		default:
			m.set(mark)
		}
	}
	m.mu.Unlock()
	return m.write()
}

// set keeps a mark; mu is held.
func (m *Marks) set(mark Mark) {
	if m.marks[mark.Stream] != mark {
		m.marks[mark.Stream], m.dirty = mark, true
	}
}

func stampOne(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo, epochs string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	config := info.Config
	config.Metadata = maps.Clone(config.Metadata)
	if config.Metadata == nil {
		config.Metadata = map[string]string{}
	}
	config.Metadata[eventstore.EpochsKey] = epochs
	if _, err := js.UpdateStream(ctx, config); err != nil {
		return fmt.Errorf("data directory: writing the epoch into %s: %w", info.Config.Name, err)
	}
	return nil
}

// Reach makes durable that a stream has come to a sequence, which is on disk there, before it returns: for whoever answers
// for something that an older copy of the stream would take back. Several calls share one write.
func (m *Marks) Reach(ctx context.Context, server, stream string, sequence uint64) error {
	name := server + "/" + stream
	m.mu.Lock()
	if mark := m.marks[name]; mark.Last < sequence {
		m.set(Mark{Stream: name, Last: sequence, Made: mark.Made})
	}
	m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.write()
}

// write puts the marks into the file, unless they are there.
func (m *Marks) write() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	if !m.dirty {
		m.mu.Unlock()
		return nil
	}
	form := marksForm{
		Format: marksFormat, Log: m.config.Log.Identity(), Epochs: m.config.Log.Epochs(), Taken: m.config.Now().UTC(),
	}
	for _, name := range slices.Sorted(maps.Keys(m.marks)) {
		form.Marks = append(form.Marks, m.marks[name])
	}
	m.dirty = false
	m.mu.Unlock()
	body, err := json.Marshal(form, json.Deterministic(true))
	if err == nil {
		err = wholefile.Replace(m.config.Path, seal(body))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.dirty = true
		return fmt.Errorf("data directory: keeping marks: %w", err)
	}
	m.taken, m.epoch = form.Taken, form.Epochs.String()
	return nil
}

// Begin forgets all marks, stamps every stream with the log's epoch, whatever it had, and marks how far each has come: a restore is
// taken as it is.
func (m *Marks) Begin(ctx context.Context) error {
	found, err := m.look(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		js, bare := m.find(name)
		if bare == m.config.Log.Stream() {
			continue
		}
		if err := stampOne(ctx, js, found[name], m.config.Log.Epochs().String()); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.marks, m.dirty = map[string]Mark{}, true
	m.mu.Unlock()
	return m.Take(ctx)
}
