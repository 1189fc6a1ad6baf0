package natsd

import (
	"container/list"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// Doors are the subjects that lead from the outside to the program and back.
type Doors struct {
	// Answered are subjects on which clients ask or tell the program something: each message gets at most one answer,
	// an acknowledgement of JetStream included.
	Answered []string

	// Heard are subjects on which the program tells, and clients only listen.
	Heard []string
}

const (
	// maxSubscriptions of a client's connection: its inbox, what happens to its account, and room for a client that
	// subscribes an inbox for each request under way. Each costs some kilobytes, and each that hears of an event is
	// one more copy of it to be made.
	maxSubscriptions = 16

	// answerWithin is how long an answer may take; what comes later reaches nobody. A command is answered within
	// seconds, a bill is acknowledged when it is on disk. What is not answered at all is remembered for this long.
	answerWithin = time.Minute

	// vacant is how long a room stands empty before somebody else gets it. The server forgets what is not answered at
	// the second look after it came, and looks once in answerWithin: after this time no answer to whoever was there
	// before can be under way.
	vacant = 2*answerWithin + 30*time.Second

	// maxRooms is half as many again as the connections that there may be, so that some may stand empty. A room takes
	// some 20 kB, and the server goes through all of them to make one more.
	maxRooms = maxConnections + maxConnections/2
)

var errNoRoom = errors.New("natsd: more tokens have come and gone in the last minutes than the server keeps apart")

// rooms are NATS accounts for clients: spaces of subjects of their own, of which everything but the doors leads
// nowhere. Each holds the connections of one token and no others.
//
// Permissions alone would not do. They judge the subject that a client publishes on, not the one that it asks to be
// answered on, and the server and the program answer with all rights. In a room of its own a client can have answers
// written on whatever subject: nobody is there to hear them but itself.
//
// The server never lets go of an account. A room that was left is therefore given to the next that comes, once no
// answer to those who left can be under way any more.
type rooms struct {
	srv    *server.Server
	inside *server.Account
	doors  Doors

	mu    sync.Mutex // guards what follows
	byKey map[string]*room
	empty *list.List // of *room, the one that was left first at the front
	made  int
}

type room struct {
	rooms   *rooms
	account *server.Account
	key     string        // whose it is
	guests  int           // connections in it
	left    time.Time     // when the last one left
	place   *list.Element // in empty, nil while there are guests
}

// openRooms opens the program's side of the doors.
func openRooms(srv *server.Server, doors Doors) (*rooms, error) {
	r := &rooms{srv: srv, inside: srv.GlobalAccount(), doors: doors, byKey: map[string]*room{}, empty: list.New()}
	for _, subject := range doors.Answered {
		if err := r.inside.AddServiceExportWithResponse(subject, server.Singleton, nil); err != nil {
			return nil, fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
		if err := r.inside.SetServiceExportResponseThreshold(subject, answerWithin); err != nil {
			return nil, fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
	}
	for _, subject := range doors.Heard {
		if err := r.inside.AddStreamExport(subject, nil); err != nil {
			return nil, fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
	}
	return r, nil
}

// enter gives the room of a token, one more guest in it, or errNoRoom. Each entry is ended by a leave.
func (r *rooms) enter(key string, now time.Time) (*room, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.byKey[key]
	if o == nil {
		if first := r.empty.Front(); first != nil && now.Sub(first.Value.(*room).left) > vacant {
			o = first.Value.(*room)
			delete(r.byKey, o.key)
		} else if r.made >= maxRooms {
			return nil, errNoRoom
		} else {
			account, err := r.build("room-" + strconv.Itoa(r.made+1))
			if err != nil {
				return nil, err
			}
			r.made++
			o = &room{rooms: r, account: account}
		}
		o.key = key
		r.byKey[key] = o
	}
	if o.place != nil {
		r.empty.Remove(o.place)
		o.place = nil
	}
	o.guests++
	return o, nil
}

// leave is one guest less.
func (o *room) leave(now time.Time) {
	r := o.rooms
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.guests--; o.guests == 0 {
		o.left = now
		o.place = r.empty.PushBack(o)
	}
}

// build makes a NATS account with all doors. Which of them its guests may use, and for which accounts of ours, is said
// by the permissions of each.
func (r *rooms) build(name string) (*server.Account, error) {
	account, err := r.srv.RegisterAccount(name)
	if err != nil {
		return nil, fmt.Errorf("natsd: making a NATS account for a token: %w", err)
	}
	// Claims are the only way to limit an account, and replace its imports: so they come first.
	claims := jwt.NewAccountClaims(name)
	claims.Limits.Subs = maxSubscriptions
	r.srv.UpdateAccountClaims(account, claims)
	for _, subject := range r.doors.Answered {
		if err := account.AddServiceImport(r.inside, subject, subject); err != nil {
			return nil, fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
	}
	for _, subject := range r.doors.Heard {
		if err := account.AddStreamImport(r.inside, subject, ""); err != nil {
			return nil, fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
	}
	return account, nil
}
