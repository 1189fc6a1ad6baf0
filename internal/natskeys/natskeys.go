// Package natskeys makes the keys of a NATS cluster for Sundial: an operator that signs accounts, accounts that sign
// users, and the credentials of those users. Whoever has such keys from elsewhere does not need it.
package natskeys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// What Write writes into its folder.
const (
	Resolver     = "resolver.conf" // to be included by the servers' configuration; holds no secret
	SundialCreds = "sundial.creds" // for serve --nats-creds
	SystemCreds  = "system.creds"  // for serve --nats-system-creds
	BillingCreds = "billing.creds" // for billing systems: they publish billing.> and hear their own inbox
	Seeds        = "seeds.txt"     // the keys that sign, for adding users later; keep it somewhere else
)

// BillingInbox is the inbox prefix that clients with BillingCreds have to be set to.
const BillingInbox = "_INBOX.billing"

// keys is an identity that signs: an operator or an account.
type keys struct {
	pair   nkeys.KeyPair
	public string
	seed   []byte
}

func newKeys(create func() (nkeys.KeyPair, error)) (keys, error) {
	pair, err := create()
	if err != nil {
		return keys{}, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return keys{}, err
	}
	seed, err := pair.Seed()
	return keys{pair, public, seed}, err
}

// Write makes all keys and writes them into dir, which it makes if it is not there. It refuses to replace any, with an
// error that is fs.ErrExist: servers and clients with the old ones would be locked out.
//
// Sundial's account holds its streams. Billing systems are in an account of their own, from which only bills lead to
// Sundial and nothing but acknowledgements back; each customer that AddTenant makes credentials for is in another.
// Permissions alone would let a client have answers written into the log, or where another customer listens.
func Write(dir string) (err error) {
	if _, err := os.Stat(filepath.Join(dir, Resolver)); err == nil {
		return fmt.Errorf("natskeys: %s holds keys already; remove them to make new ones: %w", dir, fs.ErrExist)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	files, err := generate()
	if err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	// The resolver comes last: it is what tells that all are there.
	for _, name := range []string{Seeds, SundialCreds, SystemCreds, BillingCreds, Resolver} {
		mode := fs.FileMode(0o600)
		if name == Resolver {
			mode = 0o644
		}
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, files[name], mode), os.Chmod(file, mode)); err != nil { // whatever the umask
			return fmt.Errorf("natskeys: %w", err)
		}
	}
	return nil
}

func generate() (map[string][]byte, error) {
	operator, err := newKeys(nkeys.CreateOperator)
	if err != nil {
		return nil, err
	}
	var accounts [3]keys
	for i := range accounts {
		if accounts[i], err = newKeys(nkeys.CreateAccount); err != nil {
			return nil, err
		}
	}
	system, sundial, billing := accounts[0], accounts[1], accounts[2]

	claims := jwt.NewOperatorClaims(operator.public)
	claims.Name = "sundial"
	claims.SystemAccount = system.public
	operatorToken, err := claims.Encode(operator.pair)
	if err != nil {
		return nil, err
	}
	var resolver strings.Builder
	fmt.Fprintf(&resolver, "# Made by sundial cluster-keys.\noperator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n",
		operatorToken, system.public)
	for _, a := range []*jwt.AccountClaims{
		systemAccount(system.public), sundialAccount(sundial.public),
		clientsAccount(billing.public, "BILLING", sundial.public, door{"billing.>", jwt.Service}),
	} {
		entry, err := preloaded(a, operator)
		if err != nil {
			return nil, err
		}
		resolver.WriteString(entry)
	}
	resolver.WriteString(preloadEnd)

	out := map[string][]byte{
		Resolver: []byte(resolver.String()),
		Seeds: fmt.Appendf(nil, "operator %s\nsystem %s\nsundial %s\nbilling %s\n",
			operator.seed, system.seed, sundial.seed, billing.seed),
	}
	var failed []error
	user := func(file, name string, account keys, limit func(*jwt.UserClaims)) {
		creds, err := credentials(name, account, limit)
		out[file] = creds
		failed = append(failed, err)
	}
	user(SundialCreds, "sundial", sundial, func(*jwt.UserClaims) {})
	user(SystemCreds, "sundial-system", system, func(u *jwt.UserClaims) {
		// Reading what servers say of themselves, and nothing that changes one.
		u.Pub.Allow.Add("$SYS.REQ.SERVER.PING.>", "$SYS.REQ.SERVER.*.VARZ", "$SYS.REQ.SERVER.*.JSZ")
		u.Sub.Allow.Add("_INBOX.>")
	})
	user(BillingCreds, "billing", billing, func(u *jwt.UserClaims) {
		u.Pub.Allow.Add("billing.>")
		u.Sub.Allow.Add(BillingInbox + ".>")
	})
	return out, errors.Join(failed...)
}

func systemAccount(public string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(public)
	c.Name = "SYS"
	return c
}

// preloadEnd ends the accounts in the resolver's file, and the file.
const preloadEnd = "}\n"

// preloaded is an account as the resolver's file has it.
func preloaded(a *jwt.AccountClaims, operator keys) (string, error) {
	token, err := a.Encode(operator.pair)
	return fmt.Sprintf("  # %s\n  %s: %s\n", a.Name, a.Subject, token), err
}

// door is a subject between clients and Sundial.
type door struct {
	subject jwt.Subject
	kind    jwt.ExportType
}

// doors are all that Sundial has.
var doors = []door{{"billing.>", jwt.Service}, {"command.>", jwt.Service}, {"lifecycle.>", jwt.Stream}}

const (
	// connections and subscriptions are what an account of clients may have, the second each connection: as many as the
	// embedded server lets a token have.
	connections   = 64
	subscriptions = 16
)

func sundialAccount(public string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(public)
	c.Name = "SUNDIAL"
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	for _, d := range doors {
		e := &jwt.Export{Name: string(d.subject), Subject: d.subject, Type: d.kind}
		if d.kind == jwt.Service {
			e.ResponseType = jwt.ResponseTypeSingleton
		}
		c.Exports.Add(e)
	}
	return c
}

func clientsAccount(public, name, sundial string, opened ...door) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(public)
	c.Name = name
	c.Limits.Conn, c.Limits.Subs = connections, subscriptions
	for _, d := range opened {
		c.Imports.Add(&jwt.Import{Name: string(d.subject), Subject: d.subject, Account: sundial, Type: d.kind})
	}
	return c
}

// credentials makes a user and gives its credentials as clients read them.
func credentials(name string, account keys, limit func(*jwt.UserClaims)) ([]byte, error) {
	user, err := newKeys(nkeys.CreateUser)
	if err != nil {
		return nil, err
	}
	claims := jwt.NewUserClaims(user.public)
	claims.Name = name
	limit(claims)
	token, err := claims.Encode(account.pair)
	if err != nil {
		return nil, err
	}
	return jwt.FormatUserConfig(token, user.seed)
}
