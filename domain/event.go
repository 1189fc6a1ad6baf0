package domain

// Event is something that happened to an account: it carries its own effect. The names that Type gives are the storage
// format: they are written by hand, versioned, and never change. Each event knows the app that it is about.
type Event interface {
	Type() string
	Subject() AppID // 0: the account itself
	apply(*Account)
}

// Prototypes lists one value of every event, in the order of the documentation. It feeds the codec; an event that is
// missing here cannot be stored.
func Prototypes() []Event {
	return []Event{
		QuotaSet{},
		AppCreated{}, AppImported{}, AppInfoEdited{}, AppDeleted{},
		OrderRecorded{}, RefundRecorded{},
		InvoiceOverdueRecorded{}, InvoiceSettledRecorded{}, InvoiceVoidedRecorded{},
		EditionChanged{}, TermScheduled{},
		Lapsed{}, LapseMoved{}, LapseRenamed{}, LapseEnded{},
		ArrearsStarted{}, ArrearsMoved{}, ArrearsEnded{},
		AppStopped{}, HoldAdded{}, HoldEnded{}, AppReinstated{},
		TRTCStopNoted{}, TRTCStartNoted{},
		KeyIssued{}, KeyAlgorithmUpgraded{}, KeyRotated{}, KeyRetired{}, KeyRevealed{},
		AdminsAdded{}, AdminsRemoved{},
		CertificateAdded{}, CertificateEdited{}, CertificateDeleted{}, CertificateExpiryNoticed{}, CertificateExpired{},
		TRTCEnabled{}, TPNSEnabled{}, TPNSDisabled{},
		DeletionRequested{}, DeletionApproved{}, DeletionRejected{}, DeletionWithdrawn{},
	}
}

// About is embedded in every event of an app.
type About struct {
	App AppID `json:"app"`
}

// Subject is the app that the event is about.
func (a About) Subject() AppID { return a.App }
