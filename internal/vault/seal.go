package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxSecret bounds a secret, in bytes: certificates with their chains take some 10 KB, and a commit with several
	// must stay below what NATS takes in one message.
	MaxSecret = 64 << 10

	// maxFingerprinted bounds the secrets of one fingerprint: an app has at most 20 certificates.
	maxFingerprinted = 64

	// maxCommand bounds a command that is printed, in bytes: a body is at most 1 MiB, and what it holds may be five times as
	// long in one form (1e20 is a number of 21 digits).
	maxCommand = 8 << 20

	// fingerprintSize is the length of a fingerprint in bytes: nobody finds two that are equal by accident.
	fingerprintSize = 32
)

// Seal gives the ciphertext of a secret, which is 33 bytes longer, to be stored in the event and field of the place. It
// makes the holder's keys if it has none. Sealing the same secret twice gives different ciphertexts. It answers
// ErrLocked, ErrForgotten or ErrUnavailable.
func (v *Vault) Seal(ctx context.Context, h Holder, p Place, s Secret) ([]byte, error) {
	sealed, err := v.seal(ctx, h, p, s)
	return sealed, v.metrics.count("seal", err)
}

func (v *Vault) seal(ctx context.Context, h Holder, p Place, s Secret) ([]byte, error) {
	if err := errors.Join(h.check(), p.check(), checkSize(s)); err != nil {
		return nil, err
	}
	k, err := v.needed(ctx, h)
	if err != nil {
		return nil, err
	}
	sealed, err := k.sealing.Encrypt(s.Reveal(), h.bind(forValue, p.Event, p.Field))
	if err != nil {
		return nil, fmt.Errorf("vault: sealing: %w", err)
	}
	return sealed, nil
}

// Unseal gives the secret that was sealed for the holder and the place. It answers ErrTampered if the ciphertext was
// sealed for another one or changed, ErrForgotten, ErrLocked or ErrUnavailable.
func (v *Vault) Unseal(ctx context.Context, h Holder, p Place, sealed []byte) (Secret, error) {
	s, err := v.unseal(ctx, h, p, sealed)
	return s, v.metrics.count("unseal", err)
}

func (v *Vault) unseal(ctx context.Context, h Holder, p Place, sealed []byte) (Secret, error) {
	if err := errors.Join(h.check(), p.check()); err != nil {
		return Secret{}, err
	}
	k, err := v.existing(ctx, h)
	if errors.Is(err, errNoKeys) {
		return Secret{}, damaged(h, fmt.Errorf("%w; or the keys are lost: there are none of %s, and they were not destroyed here "+
			"(was the stream of keys restored from an older backup?)", ErrTampered, h))
	}
	if err != nil {
		return Secret{}, err
	}
	value, err := k.sealing.Decrypt(sealed, h.bind(forValue, p.Event, p.Field))
	if err != nil {
		return Secret{}, damaged(h, fmt.Errorf("%w (what was sealed for %s)", ErrTampered, h))
	}
	return NewSecret(value), nil
}

// Fingerprint gives 32 bytes that are the same whenever the same secrets are given in the same order for the same
// holder and place, and that say nothing about them to whoever lacks the keys. So a command that is repeated can be told from
// one with other secrets. It makes the holder's keys if it has none, and answers what Seal does.
func (v *Vault) Fingerprint(ctx context.Context, h Holder, p Place, secrets ...Secret) ([]byte, error) {
	sum, err := v.fingerprint(ctx, h, p, secrets)
	return sum, v.metrics.count("fingerprint", err)
}

func (v *Vault) fingerprint(ctx context.Context, h Holder, p Place, secrets []Secret) ([]byte, error) {
	if err := errors.Join(h.check(), p.check()); err != nil {
		return nil, err
	}
	if len(secrets) > maxFingerprinted {
		return nil, fmt.Errorf("vault: %d secrets in a fingerprint, more than %d", len(secrets), maxFingerprinted)
	}
	input := binary.AppendUvarint(h.bind(forValue, p.Event, p.Field), uint64(len(secrets)))
	for _, s := range secrets {
		if err := checkSize(s); err != nil {
			return nil, err
		}
		input = appendPart(input, s.Reveal())
	}
	k, err := v.needed(ctx, h)
	if err != nil {
		return nil, err
	}
	sum, err := k.fingerprint.ComputePrimaryPRF(input, fingerprintSize)
	if err != nil {
		return nil, fmt.Errorf("vault: fingerprint: %w", err)
	}
	return sum, nil
}

// PrintCommand gives the HMAC-SHA-256, by a key that is the log's own, of a command with its account, name and id, and
// with all that was sent, secrets included, in one form. Apart from Fingerprint, whose key goes with its app, it tells a
// command that is repeated from another one for ever: nothing destroys its key. The key is made when it is first needed, once
// for all vaults. It answers ErrLocked or ErrUnavailable.
func (v *Vault) PrintCommand(ctx context.Context, account, name, id string, sent Secret) ([fingerprintSize]byte, error) {
	sum, err := v.printCommand(ctx, account, name, id, sent)
	return sum, v.metrics.count("print", err)
}

func (v *Vault) printCommand(ctx context.Context, account, name, id string, sent Secret) (sum [fingerprintSize]byte, err error) {
	if n := len(sent.Reveal()); n > maxCommand {
		return sum, fmt.Errorf("vault: a command of %d bytes, more than %d", n, maxCommand)
	}
	k, err := v.needed(ctx, theLog)
	if err != nil {
		return sum, err
	}
	return k.command(account, name, id, sent)
}

func (k *keys) command(account, name, id string, sent Secret) (sum [fingerprintSize]byte, err error) {
	made, err := k.fingerprint.ComputePrimaryPRF(appendPart(bind(forCommand, account, name, id), sent.Reveal()), fingerprintSize)
	if err != nil {
		return sum, fmt.Errorf("vault: printing a command: %w", err)
	}
	return [fingerprintSize]byte(made), nil
}

func checkSize(s Secret) error {
	if n := len(s.Reveal()); n > MaxSecret {
		return fmt.Errorf("vault: a secret of %d bytes, more than %d", n, MaxSecret)
	}
	return nil
}
