// Package table prints what benches have measured, as tables that read well on a terminal and in Markdown.
package table

import (
	"fmt"
	"io"
	"strings"
)

// Print pads every column to its widest cell. The first row is the head; all rows are as long as it.
func Print(w io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for k, row := range table {
		for i, cell := range row {
			_, _ = fmt.Fprintf(w, "| %-*s ", widths[i], cell)
		}
		_, _ = fmt.Fprintln(w, "|")
		if k > 0 {
			continue
		}
		for _, width := range widths {
			_, _ = fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
		}
		_, _ = fmt.Fprintln(w, "|")
	}
}
