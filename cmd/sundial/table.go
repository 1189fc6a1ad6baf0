package main

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"sundial/internal/terminal"
)

// plain is a table without borders: columns two spaces apart, which a person reads and awk does too. Widths are those
// of the screen, on which a Chinese character takes two columns.
var plain = table.Style{
	Name:    "plain",
	Box:     table.BoxStyle{PaddingRight: "  "},
	Format:  table.FormatOptions{Header: text.FormatUpper, Row: text.FormatDefault, Footer: text.FormatDefault},
	Options: table.OptionsNoBordersAndSeparators,
}

// table prints rows below a header; without rows it says so in the given words.
func (c *console) table(empty string, header []string, rows [][]string) {
	if len(rows) == 0 {
		c.say(empty)
		return
	}
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	t.AppendHeader(cells(header))
	for _, r := range rows {
		t.AppendRow(cells(r))
	}
	c.say(t.Render())
}

// pairs prints what is known of one thing, a line for each part that there is.
func (c *console) pairs(rows [][2]string) {
	t := table.NewWriter()
	t.SetStyle(plain)
	t.SuppressTrailingSpaces()
	for _, r := range rows {
		if r[1] != "" {
			t.AppendRow(cells(r[:]))
		}
	}
	c.say(t.Render())
}

// cells gives values as a row. Those of several lines go on below themselves, indented.
func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = terminal.Text(v, "  ")
	}
	return row
}

func (c *console) say(line string) {
	_, _ = c.out.Write([]byte(strings.TrimRight(line, "\n") + "\n")) // run looks whether it failed
}
