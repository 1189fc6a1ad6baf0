package main

import (
	"errors"
	"fmt"
	"io/fs"

	"sundial/internal/natskeys"
)

// clusterKeysCmd makes the keys of a NATS cluster.
type clusterKeysCmd struct {
	Dir       string `arg:"" help:"Folder for the keys; made if it is not there."`
	Tenant    string `help:"Add an account of its own for a customer's clients to the keys in the folder." placeholder:"ACCOUNT"`
	IfMissing bool   `help:"Do nothing if the keys, or the customer's, are there already."`
}

// Help says what is in the folder and what to do with it.
func (*clusterKeysCmd) Help() string {
	return `Writes resolver.conf, which the NATS servers' configuration includes, and credentials:
sundial.creds for serve --nats-creds, system.creds for serve --nats-system-creds, billing.creds for billing systems
(their clients set the inbox prefix ` + natskeys.BillingInbox + `). seeds.txt holds the keys that sign further users: move it to a safe place.

With --tenant it adds a NATS account for one customer: tenant-ACCOUNT.creds lets its clients give commands on its apps (with a
token, as everywhere) and hear what happens to them, and hear nothing of others. It needs seeds.txt, and the servers read
resolver.conf anew (nats-server --signal reload).

Examples:

    sundial cluster-keys keys
    sundial cluster-keys keys --tenant acme`
}

// Run writes the keys.
func (k *clusterKeysCmd) Run(c *console) error {
	write, wrote := natskeys.Write, fmt.Sprintf("wrote keys to %s; move %s to a safe place", k.Dir, natskeys.Seeds)
	if k.Tenant != "" {
		write = func(dir string) error { return natskeys.AddTenant(dir, k.Tenant) }
		wrote = fmt.Sprintf("wrote %s to %s; have the servers read %s anew", natskeys.TenantCreds(k.Tenant), k.Dir, natskeys.Resolver)
	}
	err := write(k.Dir)
	switch {
	case errors.Is(err, fs.ErrExist) && k.IfMissing:
		fmt.Fprintf(c.err, "%s holds them already\n", k.Dir)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(c.err, wrote)
	return nil
}
