package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/terminal"
)

// problem is an answer that says no (RFC 9457), as a person reads it.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Fix    string `json:"fix"`

	// Errors names the fields that are wrong.
	Errors []struct {
		Field  string `json:"field"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"errors"`

	// More holds what else there is, such as the list of what a deletion loses.
	More map[string]jsontext.Value `json:",embed"`
}

func newProblem(a answer) *problem {
	p := &problem{}
	if err := json.Unmarshal(a.body, p); err != nil || p.Code == "" && p.Title == "" {
		// Not the engine's: a proxy's page, or another server altogether.
		*p = problem{Title: http.StatusText(a.status), Fix: "check that --server is the engine's address"}
	}
	p.Status = a.status
	return p
}

// Error gives the code, the rule that said no, each field that is wrong, and what would help.
func (p *problem) Error() string {
	var b strings.Builder
	said := p.Detail
	if said == "" {
		said = p.Title
	}
	what := "refused"
	if p.Status >= http.StatusInternalServerError {
		what = "failed"
	}
	fmt.Fprintf(&b, "%s (%d", what, p.Status)
	if p.Code != "" {
		b.WriteString(" " + terminal.Text(p.Code, "  "))
	}
	b.WriteString("): " + terminal.Text(said, "  "))
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", terminal.Text(e.Field, "    "), terminal.Text(e.Detail, "    "))
	}
	for _, item := range p.lists() {
		b.WriteString("\n  - " + terminal.Text(item, "    "))
	}
	if p.Fix != "" {
		b.WriteString("\n  fix: " + terminal.Text(p.Fix, "    "))
	}
	return b.String()
}

// lists gives the texts of every list in the problem, in the order of their names.
func (p *problem) lists() []string {
	var names []string
	for name := range p.More {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []string
	for _, name := range names {
		var items []string
		if json.Unmarshal(p.More[name], &items) == nil {
			all = append(all, items...)
		}
	}
	return all
}
