package vault_test

import (
	"testing"

	"sundial/internal/vault"
)

// BenchmarkVault measures with the keys in memory (warm), and with keys that have to be read and unwrapped (cold).
func BenchmarkVault(b *testing.B) {
	w := newWorld(b)
	v := w.open(b)
	secret := vault.NewSecret([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	sealed := seal(b, v, app, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("seal warm", func() error { return second(v.Seal(b.Context(), app, place, secret)) })
	run("unseal warm", func() error { return second(v.Unseal(b.Context(), app, place, sealed)) })
	run("fingerprint warm", func() error { return second(v.Fingerprint(b.Context(), app, place, secret)) })
	next := uint64(2_000_000_000)
	run("seal for a new app", func() error {
		next++
		return second(v.Seal(b.Context(), vault.Holder{App: next}, place, secret))
	})
	// One place in memory and two apps that take turns.
	small, err := vault.Open(b.Context(), vault.Config{JetStream: w.js, Roots: []vault.Root{w.root}, CachedKeys: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(small.Close)
	two := vault.Holder{App: 2}
	ofTwo := seal(b, v, two, "x")
	turn := 0
	run("unseal cold", func() error {
		if turn++; turn%2 == 0 {
			return second(small.Unseal(b.Context(), app, place, sealed))
		}
		return second(small.Unseal(b.Context(), two, place, ofTwo))
	})
}
