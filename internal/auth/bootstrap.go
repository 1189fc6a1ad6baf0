package auth

import (
	"context"
	"fmt"
	"path/filepath"

	"sundial/internal/wholefile"
)

// TokenFile is the name of the file, in the data directory, that holds an operator's token.
const TokenFile = "operator.token"

// Bootstrap makes an operator's token and writes it to TokenFile in dir, readable by the owner of the file alone, if the
// deployment has no operator's token that works: on its first start, and after the last one was revoked or has expired,
// since whoever can start the engine on its data could do so anyway. It tells whether it wrote. Another node of the
// same deployment finds an operator there already and writes nothing.
func Bootstrap(ctx context.Context, s *Store, dir string) (bool, error) {
	now := s.config.Now()
	for _, t := range s.List() {
		if t.Role == Operator && t.works(now) {
			return false, nil
		}
	}
	// First the file, then the token: stopped between the two, the next start finds no operator and does both again.
	secret := newSecret()
	if err := wholefile.Replace(filepath.Join(dir, TokenFile), []byte(secret+"\n")); err != nil {
		return false, fmt.Errorf("auth: writing the operator's token: %w", err)
	}
	if _, err := s.create(ctx, NewToken{Role: Operator, Name: "operator"}, secret); err != nil {
		return false, fmt.Errorf("auth: making the operator's token: %w", err)
	}
	return true, nil
}
