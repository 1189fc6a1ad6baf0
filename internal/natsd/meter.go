package natsd

// meter counts the operations in what a client sends: lines of NATS's protocol, PUB and HPUB with their payloads. It
// only counts. What is not well-formed it may count wrongly, and the server ends that connection.
type meter struct {
	payload  int // bytes of a payload, with its line end, that are still to come
	whole    int // bytes of that payload
	payloads int // how many have begun

	at    int  // bytes of the present line that were seen
	first byte // of the line
	next  byte // the second byte
	size  int  // the number that the last word of the line is so far, -1 if it is none
}

// count takes the next bytes and gives how many operations begin or end in them: one for each line.
func (m *meter) count(p []byte) (operations int) {
	for len(p) > 0 {
		if m.payload > 0 {
			n := min(m.payload, len(p))
			m.payload -= n
			p = p[n:]
			continue
		}
		b := p[0]
		p = p[1:]
		switch {
		case b == '\n':
			operations++
			if m.publishes() && m.size >= 0 {
				m.payload = m.size + len("\r\n")
				m.whole = m.payload
				m.payloads++
			}
			*m = meter{payload: m.payload, whole: m.whole, payloads: m.payloads}
			continue
		case b == ' ' || b == '\t':
			m.size = 0
		case b == '\r':
		case b >= '0' && b <= '9' && m.size >= 0 && m.size <= maxPayload:
			m.size = m.size*10 + int(b-'0')
		default:
			m.size = -1
		}
		switch m.at {
		case 0:
			m.first = b
		case 1:
			m.next = b
		}
		m.at = min(m.at+1, 2)
	}
	return operations
}

func (m *meter) publishes() bool {
	switch m.first {
	case 'H', 'h':
		return true // the only operation of a client with this letter
	case 'P', 'p':
		return m.next == 'U' || m.next == 'u'
	}
	return false
}
