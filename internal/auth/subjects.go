package auth

// Doors give the subjects by which token holders and the program meet at all, whatever the role: those on which the
// program answers each message once, those that many services may answer, and those on which it only tells. A server
// keeps everything else apart, because permissions judge what a client publishes and not where it wants the answer.
func Doors() (answered, discovered, heard []string) {
	return []string{"command.>", "billing.>"}, []string{discovery}, []string{"lifecycle.>"}
}

// Grants are the NATS subjects that somebody may publish and subscribe; nothing else.
type Grants struct{ Publish, Subscribe []string }

// GrantsOf gives what a connection may do that showed a token. A client subscribes its answers below
// InboxPrefix(secret), to which its library has to be set; acknowledgements of JetStream come there as well.
//
// Whoever may send commands may send every one of its account: that a command is not for its role it learns from an
// answer, as over HTTP, where the server would leave it waiting. Nobody gets the API of JetStream: a consumer made by a
// client could deliver to any subject, the log's among them.
func GrantsOf(p Principal) Grants {
	if p.TokenID == "" {
		return Grants{}
	}
	g := Grants{Subscribe: []string{inbox(p.TokenID) + ".>"}}
	switch p.Role {
	case Operator:
		g.Publish = []string{"command.>", "billing.>", discovery}
		// Any inbox: an operator's tools, such as the nats command, need no setting for the one trusted with everything.
		g.Subscribe = append(g.Subscribe, "lifecycle.>", "_INBOX.>")
	case Auditor:
		g.Publish = []string{discovery}
		g.Subscribe = append(g.Subscribe, "lifecycle.>")
	case Billing:
		g.Publish = []string{"billing.>"}
	case Owner:
		g.Publish = []string{"command." + p.Account + ".*"}
		g.Subscribe = append(g.Subscribe, "lifecycle."+p.Account+".>")
	case Reader:
		g.Subscribe = append(g.Subscribe, "lifecycle."+p.Account+".>")
	}
	return g
}

// discovery is where services of NATS answer what they are and how they do.
const discovery = "$SRV.>"
