package domain

// Edition is what an app was sold as (docs/lifecycle.md, "Words").
type Edition string

// The editions, by rank: the trials, then pro, then flagship.
const (
	Trial     Edition = "trial"
	TRTCTrial Edition = "trtc_trial" // the app came from the real-time audio and video side
	Pro       Edition = "pro"
	Flagship  Edition = "flagship"
)

// Editions lists every edition, lowest rank first.
func Editions() []Edition { return []Edition{Trial, TRTCTrial, Pro, Flagship} }

// Rank orders editions: 0 for none, 1 for the trials, 2 for pro, 3 for flagship.
func (e Edition) Rank() int {
	switch e {
	case Trial, TRTCTrial:
		return 1
	case Pro:
		return 2
	case Flagship:
		return 3
	}
	return 0
}

// Paid says whether the edition is one that is sold.
func (e Edition) Paid() bool { return e.Rank() >= Pro.Rank() }

// Status is what an app is to its users (docs/lifecycle.md, "The four statuses").
type Status string

// The statuses, as the table of docs/lifecycle.md has them.
const (
	Active  Status = "active"
	Expired Status = "expired"
	Stopped Status = "stopped"
	Deleted Status = "deleted"
)

// Statuses lists every status.
func Statuses() []Status { return []Status{Active, Expired, Stopped, Deleted} }
