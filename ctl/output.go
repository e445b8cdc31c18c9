package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// output is stdout and how to write to it.
type output struct {
	w     io.Writer
	json  bool
	tty   bool
	color bool
}

// Styles of a cell, as SGR parameters.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (o *output) paint(style, text string) string {
	if !o.color || style == plain || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// printJSON writes v and a line end: indented on a terminal, else on one line.
func (o *output) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if o.tty {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	return o.print(escapeUnsafe(b.String()))
}

// escapeUnsafe escapes what encoding/json leaves raw but a terminal may obey.
// Such characters only occur inside strings, where \u means the same.
func escapeUnsafe(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unsafeRune(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || !unsafeRune(r):
			b.WriteRune(r)
		case r > 0xFFFF: // a surrogate pair
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// print writes text that is safe already.
func (o *output) print(text string) error {
	if _, err := io.WriteString(o.w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// line writes cells: spaced on a terminal, tab-separated in a pipe.
func (o *output) line(cells ...cell) error {
	return o.print(o.joined(cells) + "\n")
}

func (o *output) joined(cells []cell) string {
	separator := "\t"
	if o.tty {
		separator = "  "
	}
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = o.paint(c.style, sanitise(c.text))
	}
	return strings.Join(texts, separator)
}

// shortID is how many hex digits a table shows; two of a million torrents
// share them once in a few runs.
const shortID = 10

// id is an info hash: short for people, whole for scripts.
func (o *output) id(hash string) cell {
	if o.tty && len(hash) > shortID {
		return cell{hash[:shortID], yellow}
	}
	return cell{hash, plain}
}

type cell struct {
	text  string
	style string
}

func text(format string, args ...any) cell {
	if len(args) == 0 {
		return cell{format, plain}
	}
	return cell{fmt.Sprintf(format, args...), plain}
}

type column struct {
	title string
	right bool // numbers are aligned to the right
}

// table is rows of cells. Names go into the last column: it is the only one
// that is cut, and the only one whose characters may have any width.
type table struct {
	columns []column
	rows    [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// printTable writes a table, the header too unless told otherwise.
func (o *output) printTable(t *table, header bool) error {
	width := 0
	if o.tty {
		width, _ = terminalSize(o.w)
	}
	lines := o.tableLines(t, header, width)
	if len(lines) == 0 {
		return nil
	}
	return o.print(strings.Join(lines, "\n") + "\n")
}

// tableLines renders a table: aligned and at most width cells wide, or
// tab-separated when not for a terminal.
func (o *output) tableLines(t *table, header bool, width int) []string {
	rows := make([][]cell, 0, len(t.rows)+1)
	if header {
		titles := make([]cell, len(t.columns))
		for i, c := range t.columns {
			titles[i] = cell{c.title, bold}
			if !o.tty {
				titles[i].style = plain
			}
		}
		rows = append(rows, titles)
	}
	rows = append(rows, t.rows...)

	lines := make([]string, 0, len(rows))
	if !o.tty {
		for _, row := range rows {
			lines = append(lines, o.joined(row))
		}
		return lines
	}
	widths := make([]int, len(t.columns))
	for r, row := range rows {
		clean := make([]cell, len(row))
		for i, c := range row {
			clean[i] = cell{sanitise(c.text), c.style}
			widths[i] = max(widths[i], textWidth(clean[i].text))
		}
		rows[r] = clean
	}
	for _, row := range rows {
		lines = append(lines, o.aligned(row, t.columns, widths, width))
	}
	return lines
}

// aligned pads the cells of a row to widths and cuts the row to limit cells.
func (o *output) aligned(row []cell, columns []column, widths []int, limit int) string {
	const gap = 2
	var b strings.Builder
	used := 0
	for i, c := range row {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", gap))
			used += gap
		}
		if used >= limit {
			break
		}
		shown := cut(c.text, limit-used)
		pad := strings.Repeat(" ", max(0, min(widths[i], limit-used)-textWidth(shown)))
		switch {
		case columns[i].right:
			b.WriteString(pad + o.paint(c.style, shown))
		case i == len(row)-1:
			b.WriteString(o.paint(c.style, shown))
		default:
			b.WriteString(o.paint(c.style, shown) + pad)
		}
		used += max(widths[i], textWidth(shown))
	}
	return strings.TrimRight(b.String(), " ")
}

// pairs is a list of names and values, as `show` and `status` print it.
type pairs struct {
	rows [][2]cell
}

func (p *pairs) add(name string, value cell) {
	p.rows = append(p.rows, [2]cell{{name, bold}, value})
}

func (o *output) printPairs(p *pairs) error {
	width := 0
	for _, row := range p.rows {
		width = max(width, textWidth(row[0].text))
	}
	var b strings.Builder
	for _, row := range p.rows {
		value := o.paint(row[1].style, sanitise(row[1].text))
		if o.tty {
			pad := strings.Repeat(" ", width-textWidth(row[0].text))
			b.WriteString(o.paint(bold, row[0].text) + pad + "  " + value + "\n")
		} else {
			b.WriteString(row[0].text + "\t" + value + "\n")
		}
	}
	return o.print(b.String())
}
