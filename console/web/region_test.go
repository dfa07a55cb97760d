package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/imaging/job"
)

// region is a school of many: so many sites of so many rooms with 30 computers each; one in three runs Bureautique@7, one
// in sixty has a slow link.
func region(t testing.TB, sites, rooms int) *school {
	t.Helper()
	now := time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC)
	var c fleet.Change
	n := 0
	for i := range sites {
		site := fmt.Sprintf("lycee%02d", i)
		c.Sites = append(c.Sites, fleet.Site{Name: site, Networks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)}})
		for r := range rooms {
			room := fleet.NewRoom(fmt.Sprintf("%s/S%d", site, 101+r))
			room.Master = "Bureautique@stable"
			c.Rooms = append(c.Rooms, room)
			for k := range 30 {
				mac := fmt.Sprintf("52:54:00:%02x:%02x:%02x", n>>16, n>>8&255, n&255)
				nic := job.NIC{Name: "eno1", MAC: mac, SpeedMbit: 1000, Link: true}
				if n%60 == 7 {
					nic.SpeedMbit = 100
				}
				c.Computers = append(c.Computers, fleet.Computer{ID: fmt.Sprintf("%032x", n+1), Name: fmt.Sprintf("%s-S%d-%02d", site, 101+r, k+1),
					State: fleet.Enrolled, Key: fmt.Sprintf("%064x", n+1), KeyStored: true, MACs: []string{mac}, Created: now, Stage: fleet.StageAgent,
					LastSeen: now.Add(-time.Duration(n%60) * 24 * time.Hour), Room: room.Name, Tags: []string{"fixe"},
					Inventory: job.Inventory{UUID: fmt.Sprintf("4c4c4544-0042-4a10-8054-%012x", n), Serial: fmt.Sprintf("CZC%07d", n), Manufacturer: "Dell Inc.",
						Model: "OptiPlex 3060", MemoryBytes: 8 << 30, NICs: []job.NIC{nic}, Disks: []job.Disk{{Path: "/dev/sda", Size: 256 << 30, SectorSize: 512}}},
					Runs: &fleet.Proven{Master: "Bureautique", Version: 5 + n%3, Manifest: fmt.Sprintf("%064x", n%3), At: now}})
				n++
			}
		}
	}
	s := schoolWith(t, c)
	s.house.Now = func() time.Time { return s.now }
	s.publish("Bureautique", "the first", 6)
	_, err := s.library.Promote("Bureautique@1", "stable", "marie")
	check(t, err)
	s.person("marie", people.Administrator, nil, nil)
	return s
}

// asked is a page as somebody's browser asks for it, without a network between.
func (s *school) asked(cookies []*http.Cookie, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://ardoise"+path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Accept-Language", "en")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// cookies are those of somebody who has logged in.
func (s *school) cookies(login string) []*http.Cookie {
	s.t.Helper()
	u, err := url.Parse(s.web.URL)
	check(s.t, err)
	return s.as(login).Jar.Cookies(u)
}

// BenchmarkRegion says what pages of fifteen thousand computers in five hundred rooms cost, in seconds of processor.
func BenchmarkRegion(b *testing.B) {
	s := region(b, 50, 10)
	marie := s.cookies("marie")
	for _, page := range []string{"/", "/?q=-runs%3ABureautique%407", "/?q=link%3C%3D100", "/?q=unseen%3E3d+optiplex", "/?site=lycee07", "/rooms/lycee07%2FS104",
		"/computers", "/computers?q=optiplex"} {
		b.Run(page, func(b *testing.B) {
			b.ReportAllocs()
			begun, sent := processor(b), 0
			for b.Loop() {
				w := s.asked(marie, page)
				if sent = w.Body.Len(); w.Code != http.StatusOK {
					b.Fatalf("%s: %d", page, w.Code)
				}
			}
			b.ReportMetric((processor(b)-begun).Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(sent), "sent-B")
		})
	}
}

// processor is the time of processors that this process has taken.
func processor(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
