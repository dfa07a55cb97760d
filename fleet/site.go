package fleet

import (
	"cmp"
	"context"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Site is a school. The one without a name is always there: a box that serves one school needs no other.
type Site struct {
	Name     string         // of letters, digits and hyphens; "": the site without a name
	Title    string         // for people
	Networks []netip.Prefix // computers with such an address belong to it, unless something else says so
	Mail     []string       // who gets its reports
}

// The bounds of sites.
const (
	maxSites    = 500
	maxNetworks = 64
	maxMail     = 32
	maxTitle    = 120
)

// SiteOf returns the site in the name of a room: what is before its slash, "" without one.
func SiteOf(room string) string {
	site, _, ok := strings.Cut(room, "/")
	if !ok {
		return ""
	}
	return site
}

// localName is the name of a room within its site.
func localName(room string) string { return room[strings.IndexByte(room, '/')+1:] }

func (s Site) check() error {
	bad := func(format string, args ...any) error { return refuse(CodeBadSite, s.Name, format, args...) }
	if s.Name != "" && !validName(s.Name) {
		return refuse(CodeBadName, Clean(s.Name, 64), "")
	}
	if utf8.RuneCountInString(s.Title) > maxTitle {
		return bad("its title has at most %d characters", maxTitle)
	}
	if len(s.Networks) > maxNetworks || len(s.Mail) > maxMail {
		return bad("it has at most %d networks and %d mail addresses", maxNetworks, maxMail)
	}
	if s.Name == "" && len(s.Networks) > 0 {
		return bad("the site without a name has the networks that no other site has")
	}
	for _, n := range s.Networks {
		if !n.IsValid() || n != n.Masked() {
			return bad("%s is no network", n)
		}
	}
	for _, m := range s.Mail {
		if a, err := mail.ParseAddress(m); err != nil || a.Address != m || Clean(m, 254) != m {
			return bad("%q is no mail address", Clean(m, 64))
		}
	}
	return nil
}

// Sites lists the sites, by name; that without a name is the first.
func (f *Fleet) Sites() []Site {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []Site{}
	if _, ok := f.sites[""]; !ok {
		out = append(out, Site{})
	}
	for _, s := range f.sites {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Site) int { return cmp.Compare(fold(a.Name), fold(b.Name)) })
	return out
}

// Site returns the site of that name, in capitals or not.
func (f *Fleet) Site(name string) (Site, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s, ok := f.sites[fold(name)]
	if !ok && name != "" {
		return Site{}, refuse(CodeNoSite, Clean(name, 64), "")
	}
	return s, nil
}

// SetSite makes a site, or changes one that there is.
func (f *Fleet) SetSite(ctx context.Context, s Site, by string) (Site, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	old, known := f.sites[fold(s.Name)]
	if known {
		s.Name = old.Name // rooms are named after it
	} else if len(f.sites) >= maxSites {
		return s, refuse(CodeBadSite, Clean(s.Name, 64), "there are %d sites already", maxSites)
	}
	s.Title = Clean(s.Title, maxTitle)
	s.Networks, s.Mail = slices.Clone(s.Networks), slices.Clone(s.Mail)
	if err := s.check(); err != nil {
		return s, err
	}
	for _, other := range f.sites {
		for _, n := range other.Networks {
			if other.Name != s.Name && slices.Contains(s.Networks, n) {
				return s, refuse(CodeBadSite, s.Name, "%s is a network of site %s", n, other.Name)
			}
		}
	}
	e := f.event("site", Info, Computer{}, Task{}, "%q was set by %s", s.Name, Clean(by, 64))
	e.Site = s.Name
	return s, f.commit(ctx, Change{Sites: []Site{s}, Events: []Event{e}})
}

// ForgetSite removes a site that has neither rooms nor computers.
func (f *Fleet) ForgetSite(ctx context.Context, name, by string) (Site, error) {
	f.deciding.Lock()
	defer f.deciding.Unlock()
	s, ok := f.sites[fold(name)]
	if !ok || s.Name == "" {
		return s, refuse(CodeNoSite, Clean(name, 64), "")
	}
	var users []string
	for _, r := range f.rooms {
		if strings.EqualFold(SiteOf(r.Name), s.Name) {
			users = append(users, r.Name)
		}
	}
	slices.Sort(users)
	for _, c := range f.listed() {
		if strings.EqualFold(c.Site, s.Name) {
			users = append(users, c.Name)
		}
	}
	for _, x := range f.schedules {
		if slices.ContainsFunc(x.Order.Sites, func(n string) bool { return strings.EqualFold(n, s.Name) }) {
			users = append(users, "schedule "+x.Name)
		}
	}
	for _, x := range f.helpers {
		if strings.EqualFold(x.Site, s.Name) {
			users = append(users, "helper "+x.Name)
		}
	}
	if len(users) > 0 {
		return s, refuse(CodeSiteNeeded, s.Name, "%s", someOf(users))
	}
	e := f.event("site", Info, Computer{}, Task{}, "%q was forgotten by %s", s.Name, Clean(by, 64))
	e.Site = s.Name
	return s, f.commit(ctx, Change{Removed: []Record{{RecordSite, s.Name}}, Events: []Event{e}})
}

// SiteOf returns the site of a computer: of its room, else the one that was given to it, else the one that has its
// address, else that without a name.
func (f *Fleet) SiteOf(c Computer) string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.siteOf(&c)
}

// siteOf is SiteOf. The caller holds mu or deciding.
func (f *Fleet) siteOf(c *Computer) string {
	switch {
	case c.Room != "":
		return SiteOf(c.Room)
	case c.Site != "":
		return c.Site
	}
	return f.siteAt(c.Address)
}

// siteAt returns the site that has an address: of several the one with the smallest network. The caller holds mu or
// deciding.
func (f *Fleet) siteAt(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	site, longest := "", -1
	for _, s := range f.sites {
		for _, n := range s.Networks {
			if n.Bits() > longest && n.Contains(ip) {
				site, longest = s.Name, n.Bits()
			}
		}
	}
	return site
}

// fold is what names are compared by, in capitals or not.
func fold(name string) string { return strings.ToLower(name) }

// someOf names the first of many.
func someOf(names []string) string {
	const shown = 5
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += ", ..."
	}
	return text
}

// clock parses HH:MM.
func clock(s string) (hour, minute int, ok bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, 0, false
	}
	return t.Hour(), t.Minute(), true
}
