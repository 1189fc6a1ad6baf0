package domain

import "fmt"

// SetQuota sets how many apps not deleted the account may have.
type SetQuota struct {
	Apps int `json:"apps"`
}

func (SetQuota) Name() string { return "set_quota" }

// Subject is no app: the quota is the account's.
func (SetQuota) Subject() AppID { return 0 }

func (c SetQuota) decide(d *draft) error {
	if c.Apps < 1 || c.Apps > MaxQuota {
		return &Invalid{[]FieldError{{"apps", "out_of_range", fmt.Sprintf("must be from 1 to %d", MaxQuota)}}}
	}
	switch present := d.from.Cap(d.at.Policy); {
	case c.Apps == present:
		return nil
	case c.Apps < d.from.InUse && c.Apps < present:
		return refuse(QuotaBelowUse)
	}
	d.emit(QuotaSet{c.Apps})
	return nil
}

// QuotaSet gives the account's cap on apps as it now is.
type QuotaSet struct {
	Apps int `json:"apps"`
}

func (QuotaSet) Type() string { return "account.quota_set.v1" }

// Subject is no app: the quota is the account's.
func (QuotaSet) Subject() AppID { return 0 }

func (e QuotaSet) apply(acc *Account) { acc.Quota = e.Apps }

func (e QuotaSet) describe() string { return fmt.Sprintf("the quota was set to %d apps", e.Apps) }
