package pushcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"
)

const (
	minRSA = 2048 // bits: Apple and Google take and give out no shorter key
	maxRSA = 4096 // bits
)

// What Apple's push certificates have beyond others.
var (
	oidPushDevelopment = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 1}
	oidPushProduction  = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}
	oidUserID          = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1} // in the subject: the bundle ID
)

// pushCertificate reads an apns_p12, or judges the environment against the one that stays.
func (d *draft) pushCertificate() {
	file, password := d.Secrets[fieldP12], d.Secrets[fieldPassword]
	switch {
	case file != nil && password != nil:
		d.openCertificate(file, string(password))
	case d.given[fieldP12] == nil && d.given[fieldPassword] == nil:
		d.keepRead()
	default:
		return // what is wrong with them has been said
	}
	wanted, certified := d.Public[fieldEnvironment], d.Public[fieldEnvironments]
	if wanted != "" && certified != "" && !slices.Contains(strings.Split(certified, ","), wanted) {
		d.say(fieldEnvironment, otherEnv)
	}
	if file != nil && !d.NotAfter.IsZero() && !d.NotAfter.After(d.now) { // one that has expired since may be edited
		d.say(fieldP12, certExpired)
	}
}

// openCertificate takes from a p12 what is shown of it.
func (d *draft) openCertificate(file []byte, password string) {
	key, certificates, c := openP12(file, password)
	if c != nil {
		if *c == wrongPassword {
			d.say(fieldPassword, *c)
		} else {
			d.say(fieldP12, *c)
		}
		return
	}
	if !goodKey(key) {
		d.say(fieldP12, p12BadKey)
		return
	}
	mine := ofKey(certificates, key)
	if len(mine) == 0 {
		d.say(fieldP12, p12OtherKey)
		return
	}
	certificate := d.pushAmong(mine)
	if certificate == nil {
		d.say(fieldP12, notPush)
		return
	}
	environments, bundle := environmentsOf(certificate), bundleOf(certificate)
	d.NotAfter = certificate.NotAfter.UTC()
	d.Public[fieldBundleID] = bundle
	d.Public[fieldEnvironments] = environments
	d.Public[fieldNotBefore] = certificate.NotBefore.UTC().Format(instant)
	d.Public[fieldNotAfter] = d.NotAfter.Format(instant)
}

// goodKey tells whether a key is one that push services work with: RSA of a usual length, or EC P-256.
func goodKey(key crypto.PrivateKey) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return goodRSA(k)
	case *ecdsa.PrivateKey:
		return k.Curve == elliptic.P256()
	}
	return false
}

func goodRSA(k *rsa.PrivateKey) bool { return k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA }

// pushAmong chooses among the certificates of one key, such as those of several years: the push certificate for the
// environment that ends last, else for the other one; nil if none is for pushes.
func (d *draft) pushAmong(certificates []*x509.Certificate) *x509.Certificate {
	fits := func(c *x509.Certificate) bool {
		return slices.Contains(strings.Split(environmentsOf(c), ","), d.Public[fieldEnvironment])
	}
	var best *x509.Certificate
	for _, c := range certificates {
		switch {
		case environmentsOf(c) == "" || bundleOf(c) == "":
		case best == nil, fits(c) && !fits(best), fits(c) == fits(best) && c.NotAfter.After(best.NotAfter):
			best = c
		}
	}
	return best
}

// ofKey finds the certificates of a key, of which a file may have several beside those of the chain.
func ofKey(certificates []*x509.Certificate, key crypto.PrivateKey) (mine []*x509.Certificate) {
	signer, is := key.(crypto.Signer)
	if !is {
		return nil
	}
	public, is := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !is {
		return nil
	}
	for _, c := range certificates {
		if public.Equal(c.PublicKey) {
			mine = append(mine, c)
		}
	}
	return mine
}

// environmentsOf gives what a certificate is for: production, development, or both with a comma between. It is empty
// for one that is not for pushes.
func environmentsOf(c *x509.Certificate) string {
	var all []string
	for _, e := range []struct {
		id   asn1.ObjectIdentifier
		name string
	}{{oidPushProduction, production}, {oidPushDevelopment, development}} {
		for _, extension := range c.Extensions {
			if extension.Id.Equal(e.id) {
				all = append(all, e.name)
				break
			}
		}
	}
	return strings.Join(all, ",")
}

// bundleOf gives the bundle ID that a certificate is for: the user id of its subject, else what its common name has
// after a colon, as in "Apple Push Services: com.example.app".
func bundleOf(c *x509.Certificate) string {
	var bundle string
	if _, after, found := strings.Cut(c.Subject.CommonName, ": "); found {
		bundle = after
	}
	for _, name := range c.Subject.Names {
		if text, is := name.Value.(string); is && name.Type.Equal(oidUserID) {
			bundle = text
		}
	}
	if len(bundle) > maxBundle || !bundleForm.fits(bundle) {
		return ""
	}
	return bundle
}

// pushKey reads the file of an apns_p8.
func (d *draft) pushKey() {
	file := d.Secrets[fieldP8]
	if file == nil {
		return
	}
	block, text := onlyBlock(file)
	switch {
	case block == nil:
		d.say(fieldP8, p8Unreadable)
		return
	case block.Type == "ENCRYPTED PRIVATE KEY":
		d.say(fieldP8, p8Encrypted)
		return
	case block.Type != "PRIVATE KEY":
		d.say(fieldP8, p8Unreadable)
		return
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		d.say(fieldP8, p8Unreadable)
		return
	}
	if k, is := key.(*ecdsa.PrivateKey); !is || k.Curve != elliptic.P256() {
		d.say(fieldP8, p8OtherKey)
	}
	d.Secrets[fieldP8] = text
}
