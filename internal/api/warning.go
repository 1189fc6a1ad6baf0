package api

import (
	"fmt"

	"sundial/domain"
)

// Warning is what is worth knowing of a command that was done.
type Warning struct {
	Code   string `json:"code" enum:"gap_in_coverage"`
	Detail string `json:"detail"`
}

// AppWithWarnings is an app with what an order leaves open.
type AppWithWarnings struct {
	App
	Warnings []Warning `json:"warnings,omitzero" nullable:"false" doc:"Absent where there are none"`
}

// appendWarnings adds to an app that answers an order the gaps that its orders leave.
func appendWarnings(b []byte, app *domain.App) []byte {
	var warnings []Warning
	for _, g := range app.Gaps() {
		warnings = append(warnings, Warning{"gap_in_coverage", fmt.Sprintf("No order covers the app from %s until %s, when the next one begins.", g.From, g.Until)})
	}
	if warnings == nil {
		return b
	}
	b = append(b[:len(b)-1], `,"warnings":`...)
	return append(append(b, marshal(warnings)...), '}')
}
