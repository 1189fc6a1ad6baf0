package domain

import "time"

// Policy holds the numbers that a vendor chooses. A due time is computed with the policy of the moment in which it is
// set and written into its event; a later change of policy does not move it.
type Policy struct {
	Grace      time.Duration // from falling into arrears or lapsing to the stop
	Quota      int           // apps not deleted that an account may have unless an operator says otherwise
	MaxAhead   time.Duration // how far ahead of the clock a fact may say that it is effective
	OrderAhead time.Duration // how far ahead an order may begin, where that is longer
	Types      []string      // what an app may be for
	NameRunes  int           // the longest name of an app, in characters
	IntroRunes int           // the longest introduction, in characters

	Notices  []Span         // how long before a stop or an expiry notices are due, the longest first
	Editions EditionsPolicy // what differs by edition

	KeyOverlap         time.Duration   // for how long a rotated key verifies on, unless the command says otherwise
	Reveals            int             // how often an actor may see an app's key within RevealWindow
	RevealWindow       time.Duration   //
	Admins             int             // of an app, the fixed one included
	Certificates       int             // of an app
	CertificateNotices []time.Duration // how long before a certificate's end notices are due, the longest first
}

// MaxQuota bounds what an operator may grant: an account is decided on as a whole and must fit in memory.
const MaxQuota = 10_000

// DefaultPolicy is the vendor's: seven days of grace, a hundred apps, facts at most a day ahead, orders three years.
func DefaultPolicy() Policy {
	return Policy{
		Grace:    168 * time.Hour,
		Quota:    100,
		MaxAhead: 24 * time.Hour,

		OrderAhead: 3 * 365 * 24 * time.Hour,

		Types: []string{
			"social", "live streaming", "e-commerce", "education", "gaming",
			"customer service", "healthcare", "finance", "IoT", "other",
		},
		NameRunes:  64,
		IntroRunes: 300,

		Notices: []Span{Span(7 * 24 * time.Hour), Span(3 * 24 * time.Hour), Span(24 * time.Hour), Span(time.Hour)},

		KeyOverlap:         24 * time.Hour,
		Reveals:            10,
		RevealWindow:       time.Hour,
		Admins:             5,
		Certificates:       20,
		CertificateNotices: []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour},
	}
}
