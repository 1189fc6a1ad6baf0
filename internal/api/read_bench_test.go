package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkReadApp is GET /v1/apps/{app} over HTTP, and beside it a bare handler of the same server that answers with
// a fixed body of that size.
func BenchmarkReadApp(b *testing.B) {
	w := start(b, nil)
	path := w.create(`{"name":"shop chat","type":"e-commerce"}`)
	body := []byte(w.must(200, "owner", "GET", path, "").body)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.Write(body)
	}))
	b.Cleanup(bare.Close)
	for name, url := range map[string]string{"app": w.url + path, "bare": bare.URL + path} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.RunParallel(func(pb *testing.PB) {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+w.secrets["owner"])
				for pb.Next() {
					res, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		})
	}
}

// BenchmarkServe is the handler alone, without a network.
func BenchmarkServe(b *testing.B) {
	w := start(b, nil)
	path := w.create(`{"name":"shop chat","type":"e-commerce"}`)
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+w.secrets["owner"])
	b.ReportAllocs()
	for b.Loop() {
		w.api.ServeHTTP(httptest.NewRecorder(), r)
	}
}
