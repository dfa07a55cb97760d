package web

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/filter"
)

// The rooms of a region are lines on the map, each with a button that opens it in its place (doc.go). What names a room in
// addresses is place(site, room).

// openings are the rooms that can be open at once, of those that somebody wants open: the newest, as far as a page may have
// tiles. sizes has the number of computers of each room that there is.
func openings(want []string, sizes map[string]int) []string {
	var out []string
	tiles := 0
	for _, key := range slices.Backward(want) {
		n, known := sizes[key]
		if !known || n > maxTiles || slices.Contains(out, key) {
			continue
		}
		if tiles += n; tiles > maxTiles {
			break
		}
		out = append(out, key)
	}
	slices.Reverse(out)
	return out
}

// fold makes a line of a board, which is open or not.
func (b *boardView) fold(open bool, query string) {
	b.Line, b.Open, b.Pick = true, open, b.Pick && open
	if b.Head.Total <= maxTiles {
		return
	}
	b.List = "room:" + filter.Quote(cmp.Or(b.Room, "none"))
	if b.Room == "" {
		b.List += " site:" + filter.Quote(cmp.Or(b.Site, "none"))
	}
	b.List = strings.TrimSpace(b.List + " " + query)
}

// stream is the address of the stream of the rooms that are open.
func (m mapView) stream(open []string) string {
	if len(open) == 0 {
		return ""
	}
	return "/events?" + m.address(url.Values{"page": {"boards"}, "open": open})
}

// some draws some rooms of the map, as if they were open.
func (v *visit) some(view *mapView, keys []string) ([]boardView, error) {
	floor, err := v.floor(view, func(site, room string) bool { return slices.Contains(keys, place(site, room)) })
	if err != nil {
		return nil, err
	}
	m := v.boards()
	m.query = view.Query
	by, rooms := group(floor), map[string]access.Room{}
	for _, r := range v.Desk.RoomsWith(floor) {
		rooms[r.Name] = r
	}
	var out []boardView
	for _, key := range keys {
		r, known := rooms[key]
		if !known {
			r.Site = fleet.SiteOf(key)
		}
		if !known && (key != place(r.Site, "") || len(by[key]) == 0) {
			continue
		}
		how := everyTile
		if len(by[key]) > maxTiles {
			how = noTile
		}
		b := m.board(r, r.Site, by[key], how)
		b.fold(true, view.Query)
		out = append(out, b)
	}
	return out, nil
}

// showBoards opens or closes a room on the map.
func (c *console) showBoards(v *visit) error {
	q := v.r.URL.Query()
	view, before, toggle := v.mapFor(q), q["open"], q.Get("toggle")
	want := slices.DeleteFunc(slices.Clone(before), func(k string) bool { return k == toggle })
	if len(want) == len(before) {
		want = append(want, toggle)
	}
	keys := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(before), toggle))))
	boards, err := v.some(&view, keys[:min(len(keys), maxTiles)])
	if err != nil {
		return err
	}
	sizes := map[string]int{}
	for _, b := range boards {
		sizes[b.Key] = b.Head.Total
	}
	open := openings(want, sizes)
	to := "/?" + view.address(url.Values{"open": open})
	if v.r.Header.Get("HX-Request") == "" {
		http.Redirect(v.w, v.r, to+"#b-"+key(toggle), http.StatusSeeOther)
		return nil
	}
	var out bytes.Buffer
	for _, b := range boards {
		now := slices.Contains(open, b.Key)
		if now == slices.Contains(before, b.Key) {
			continue
		}
		if !now {
			b.Tiles, b.Open = nil, false
		}
		fmt.Fprintf(&out, `<div hx-swap-oob="innerHTML:#%s">`, b.Live())
		if err := c.templates[v.lang].parts.ExecuteTemplate(&out, "board", b); err != nil {
			return fmt.Errorf("rendering a room: %w", err)
		}
		out.WriteString("</div>\n")
	}
	view.Stream = view.stream(open)
	if err := c.templates[v.lang].parts.ExecuteTemplate(&out, "opened", view); err != nil {
		return fmt.Errorf("rendering the stream of rooms: %w", err)
	}
	v.w.Header().Set("HX-Replace-Url", to)
	v.send(http.StatusOK, out.Bytes())
	return nil
}

// boardsLive makes the live parts of the rooms that are open on the map.
func (v *visit) boardsLive() live {
	q := v.r.URL.Query()
	return func() ([]fragment, error) {
		view := v.mapFor(q)
		open := q["open"]
		boards, err := v.some(&view, open[:min(len(open), maxTiles)])
		if err != nil {
			return nil, err
		}
		out, tiles := []fragment{}, 0
		for _, b := range boards {
			if tiles += len(b.Tiles); tiles <= maxTiles {
				out = append(out, b.fragments())
			}
		}
		return out, nil
	}
}
