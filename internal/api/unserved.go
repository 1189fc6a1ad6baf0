package api

import "net/http"

// Unserved answers in the place of an API while none serves, and says why: the process is alive, and not ready.
func Unserved(w http.ResponseWriter, r *http.Request, why string) {
	if r.URL.Path == "/livez" {
		alone(w, r, alive())
		return
	}
	f := unavailable
	f.detail = why
	refused(w, r, f)
}

// Frozen refuses what would write, once what is stored was found not to fit together.
func Frozen(w http.ResponseWriter, r *http.Request) { refused(w, r, corrupt) }

func refused(w http.ResponseWriter, r *http.Request, f fault) {
	rep := f.reply()
	rep.key = r.Header.Get(headerKey)
	alone(w, r, rep)
}

// alone sends an answer that no API made.
func alone(w http.ResponseWriter, r *http.Request, rep reply) {
	rep.headers(w.Header())
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // the client is gone if it fails
}
