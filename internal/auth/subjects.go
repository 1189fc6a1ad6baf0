package auth

// Doors give the subjects by which token holders and the program meet at all, whatever the role: those on which the
// program answers each message once, and those on which it only tells. A server keeps everything else apart, and the
// holders of different tokens from one another, because permissions judge what a client publishes and not where it wants
// the answer.
func Doors() (answered, heard []string) {
	return []string{"command.>", "billing.>", discovery}, []string{"lifecycle.>"}
}

// Grants are the NATS subjects that somebody may publish and subscribe, and nothing else; and how much.
type Grants struct {
	Publish, Subscribe []string

	// Rate is how many operations a second all connections with the token may send together; 0 leaves it to the server.
	Rate int
}

// tenantRate is how many operations a second a token of one account may send: half of the commands on one account that
// the engine decides, one after the other. What came faster would only wait before others, and be refused in the end.
const tenantRate = 200

// GrantsOf gives what a connection may do that showed a token. Whatever inbox a client takes for its answers, nobody else
// hears them, since the server has a space of subjects for each token.
//
// Whoever may send commands may send every one of its account: that a command is not for its role it learns from an
// answer, as over HTTP, where the server would leave it waiting. Nobody gets the API of JetStream: a consumer made by a
// client could deliver to any subject, the log's among them.
func GrantsOf(p Principal) Grants {
	if p.TokenID == "" {
		return Grants{}
	}
	g := Grants{Subscribe: []string{"_INBOX.>"}}
	if p.Role.OfOneAccount() {
		g.Rate = tenantRate
	}
	switch p.Role {
	case Operator:
		g.Publish = []string{"command.>", "billing.>", discovery}
		g.Subscribe = append(g.Subscribe, "lifecycle.>")
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
