package main

import (
	"context"
	"net/http"
	"net/url"
)

// serviceCmd are the verbs on the services beside messaging that an app may have.
type serviceCmd struct {
	Enable  serviceEnableCmd  `cmd:"" help:"Turn a service on: trtc (real-time audio and video) or tpns (mobile push)."`
	Disable serviceDisableCmd `cmd:"" help:"Turn mobile push off."`
}

const (
	serviceTRTC = "trtc"
	serviceTPNS = "tpns"
)

type serviceEnableCmd struct {
	conditional
	App     string   `arg:"" help:"The app's SDKAppID."`
	Service string   `arg:"" help:"trtc or tpns." enum:"trtc,tpns"`
	Order   string   `help:"The id of the order that pays for tpns." placeholder:"ID"`
	Amount  *amount  `help:"What was paid for tpns, in minor units, such as CNY:99900." placeholder:"CURRENCY:MINOR"`
	Addons  []string `help:"Other add-ons bought with the same order." placeholder:"NAME"`
}

// Help shows how.
func (*serviceEnableCmd) Help() string {
	return `Real-time audio and video gets the same SDKAppID, shares users and keys, and cannot be closed from here. Mobile push is paid for, with an order; while it is on, push certificates of other platforms are stored and inactive.

Examples:

    sundial service enable 1400000001 trtc
    sundial service enable 1400000001 tpns --order push-1 --amount CNY:99900`
}

// Run turns the service on.
func (v *serviceEnableCmd) Run(ctx context.Context, c *console) error {
	var body any = reasoned{v.Reason}
	switch ordered := v.Order != "" || v.Amount != nil || len(v.Addons) > 0; {
	case ordered && v.Service == serviceTRTC:
		return misused("trtc takes no order: --order, --amount and --addons are for tpns")
	case ordered && v.Order == "":
		return misused("--amount and --addons describe an order: give its id with --order")
	case ordered:
		body = ordering{&order{ID: v.Order, Amount: (*money)(v.Amount), Addons: v.Addons}, v.Reason}
	}
	return v.change(ctx, c, http.MethodPut, route("/v1/apps/%s/services/%s", v.App, v.Service), body)
}

type serviceDisableCmd struct {
	conditional
	App     string `arg:"" help:"The app's SDKAppID."`
	Service string `arg:"" help:"tpns; trtc cannot be closed from here." enum:"trtc,tpns"`
}

// Run turns mobile push off.
func (v *serviceDisableCmd) Run(ctx context.Context, c *console) error {
	if v.Service != serviceTPNS {
		return misused("real-time audio and video cannot be closed from here")
	}
	q := url.Values{}
	set(q, "reason", v.Reason)
	a, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/apps/%s/services/tpns", v.App), query: q})
	if err != nil {
		return err
	}
	return v.showApp(c, a)
}
