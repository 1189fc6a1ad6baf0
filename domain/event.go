package domain

// Event is something that happened to an account: it carries its own effect. The names that Type gives are the storage
// format: they are written by hand, versioned, and never change. Each event knows the app that it is about.
type Event interface {
	Type() string   // the stored name, with its version: app.stopped.v1
	Subject() AppID // the app that it is about; 0: the account itself
	apply(*Account)
}

// Prototypes lists one value of every event, in the order of the documentation. It feeds the codec; an event that is
// missing here cannot be stored.
func Prototypes() []Event {
	return []Event{
		QuotaSet{}, PolicySet{},
		AppCreated{}, AppImported{}, AppInfoEdited{}, AppDeleted{}, AppRenumbered{},
		OrderRecorded{}, RefundRecorded{},
		InvoiceOverdueRecorded{}, InvoiceSettledRecorded{}, InvoiceVoidedRecorded{},
		EditionChanged{}, TermScheduled{},
		Lapsed{}, LapseMoved{}, LapseRenamed{}, LapseEnded{},
		ArrearsStarted{}, ArrearsMoved{}, ArrearsEnded{},
		NoticeGiven{},
		AppRejudged{},
		AppStopped{}, HoldAdded{}, HoldEnded{}, AppReinstated{},
		TRTCStopNoted{}, TRTCStartNoted{},
		KeyIssued{}, KeyAlgorithmUpgraded{}, KeyRotated{}, KeyRetired{}, KeyRevealed{},
		AdminsAdded{}, AdminsRemoved{},
		CertificateAdded{}, CertificateEdited{}, CertificateDeleted{}, CertificateExpiryNoticed{}, CertificateExpired{},
		TRTCEnabled{}, TPNSEnabled{}, TPNSDisabled{}, TPNSSuspended{}, TPNSResumed{},
		DeletionRequested{}, DeletionApproved{}, DeletionRejected{}, DeletionWithdrawn{},
	}
}

// fact is an event that is true in the world from a time of its own on: what a billing system reports, and orders,
// whoever tells of them.
type fact interface {
	Event
	trigger() trigger
	report() *Report       // nil if it came as a command
	addsNothing(*App) bool // it says nothing beyond what was said before
}

// beginning is an event with which an app begins to exist.
type beginning interface {
	Event
	begins() Instant
}

// consequence is an event that the rules make of facts and of time, so that deciding anew makes it anew. Some are so only
// by what they say: a stop for money is, one by an owner is not. An event that is neither a fact nor a consequence is
// what people did: it stands as it was recorded.
type consequence interface {
	Event
	derived() bool // false: people did it
}

// decision is a consequence that sets when the grace is over.
type decision interface {
	consequence
	sets() (since, due Instant, edition Edition)
}

// stopping is an event that puts a hold in force.
type stopping interface {
	Event
	stops() (cause Cause, effectiveAt Instant)
}

// About is embedded in every event of an app.
type About struct {
	App AppID `json:"app"`
}

// Subject is the app that the event is about.
func (a About) Subject() AppID { return a.App }
