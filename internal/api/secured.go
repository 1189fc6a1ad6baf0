package api

import "net/http"

// secured sets the headers of every answer that a handler gives, whoever gives it: a route, /metrics, or what stands in
// for the API while none serves. What is here is for the client that asked, is what it says it is, and is no page.
func secured(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for i := range secure {
			h[secure[i].name] = secure[i].value
		}
		if r.TLS != nil {
			h["Strict-Transport-Security"] = strictTransport
		}
		handler.ServeHTTP(w, r)
	})
}

var (
	secure = []struct {
		name  string
		value []string
	}{
		{"Cache-Control", []string{"no-store"}},
		{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Frame-Options", []string{"DENY"}}, // for browsers that know no frame-ancestors
	}
	strictTransport = []string{"max-age=31536000"}
)
