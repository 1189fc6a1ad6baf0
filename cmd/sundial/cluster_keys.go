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
	IfMissing bool   `help:"Do nothing if the folder holds keys already."`
}

// Help says what is in the folder and what to do with it.
func (*clusterKeysCmd) Help() string {
	return `Writes resolver.conf, which the NATS servers' configuration includes, and credentials:
sundial.creds for serve --nats-creds, system.creds for serve --nats-system-creds, billing.creds for billing systems
(their clients set the inbox prefix ` + natskeys.BillingInbox + `). seeds.txt holds the keys that sign further users: move it to a safe place.`
}

// Run writes the keys.
func (k *clusterKeysCmd) Run(c *console) error {
	err := natskeys.Write(k.Dir)
	switch {
	case errors.Is(err, fs.ErrExist) && k.IfMissing:
		fmt.Fprintf(c.err, "%s holds keys already\n", k.Dir)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(c.err, "wrote keys to %s; move %s to a safe place\n", k.Dir, natskeys.Seeds)
	return nil
}
