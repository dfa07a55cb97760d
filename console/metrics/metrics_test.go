package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ardoise/ardoise/console/metrics"
)

// full has a figure of each kind.
func full(context.Context) metrics.Figures {
	return metrics.Figures{Version: "v1", Started: time.Unix(1e9, 0),
		Computers: map[metrics.Kind]int{{"", "enrolled"}: 28, {"zola", "alarm"}: 1},
		Tasks:     map[metrics.Kind]int{{"deploy", "running"}: 16},
		Sessions:  []metrics.Session{{Rate: 11_000_000, Fast: 15, Slow: 1}, {Rate: 1000, HTTPS: 2, Silent: 3}},
		Versions:  7, Stored: 5 << 30, Free: 50 << 30, Size: 100 << 30, Requests: map[string]int{"open": 2},
		Helpers: map[string]int{"connected": 3, "silent": 1},
		Agents: metrics.Agents{Versions: map[string]int{"v1": 290, "v0": 10}, Heartbeats: map[string]int64{"report": 1e6},
			Refused: map[metrics.Asked]int64{{"hello", "too-many"}: 3}, Closed: map[string]int64{"handshake": 4, "limit": 0}}}
}

// exposed is what a scrape brings after one request of a surface.
func exposed(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	h := m.Watch("console", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAScrapeBringsAllFigures(t *testing.T) {
	text := exposed(t, metrics.New(full, nil))
	for _, want := range []string{
		`ardoise_up{version="v1"} 1`, `ardoise_start_time_seconds 1e+09`, `ardoise_computers{site="",state="enrolled"} 28`,
		`ardoise_computers{site="zola",state="alarm"} 1`, `ardoise_tasks{kind="deploy",state="running"} 16`, `ardoise_sessions 2`,
		`ardoise_session_send_bytes_per_second 1.1001e+07`, `ardoise_session_computers{by="silent"} 3`, `ardoise_master_versions 7`,
		`ardoise_data_free_bytes 5.36870912e+10`, `ardoise_requests{state="open"} 2`, `ardoise_helpers{state="silent"} 1`,
		`ardoise_agents{version="v0"} 10`, `ardoise_agent_heartbeats_total{request="report"} 1e+06`,
		`ardoise_agent_requests_refused_total{reason="too-many",request="hello"} 3`,
		`ardoise_agent_connections_refused_total{reason="handshake"} 4`, `ardoise_agent_connections_refused_total{reason="limit"} 0`,
		`ardoise_http_request_seconds_count{status="4xx",surface="console"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "ardoise_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// told lists our metrics with their labels, as a scrape tells them: "ardoise_computers site state".
func told(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	text := exposed(t, metrics.New(full, nil))
	for _, m := range regexp.MustCompile(`(?m)^(ardoise_[a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? `).FindAllStringSubmatch(text, -1) {
		var labels []string
		for _, l := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
			if l[1] != "le" {
				labels = append(labels, l[1])
			}
		}
		slices.Sort(labels)
		out[m[1]] = strings.Join(labels, " ")
	}
	return out
}

func TestTheDocumentListsEachMetricAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(ardoise_[a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		labels := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(m[2]))
		slices.Sort(labels)
		written[m[1]] = strings.Join(labels, " ")
	}
	real := told(t)
	for name, labels := range real {
		if got, ok := written[name]; !ok || got != labels {
			t.Errorf("docs/metrics.md says of %s %q, the exposition %q", name, got, labels)
		}
	}
	for name := range written {
		if _, ok := real[name]; !ok {
			t.Errorf("docs/metrics.md lists %s, which is not told", name)
		}
	}
}

func TestTheDashboardAsksForNothingElse(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	real, asked := told(t), 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`ardoise_[a-z_]+`).FindAllString(target.Expr, -1) {
				asked++
				name = strings.TrimSuffix(name, "_bucket")
				if _, ok := real[name]; !ok {
					t.Errorf("%s asks for %s, which is not told", p.Title, name)
				}
			}
		}
	}
	if asked < 8 {
		t.Errorf("the dashboard asks for %d metrics", asked)
	}
}

func TestHealth(t *testing.T) {
	for name, c := range map[string]struct {
		figures metrics.Figures
		code    int
		word    string
	}{
		"all is well":     {metrics.Figures{Size: 1 << 40, Free: 1 << 30}, 200, "ok\n"},
		"a full disk":     {metrics.Figures{Size: 1 << 40, Free: 1 << 20}, 503, "the disk of the data folder is full\n"},
		"a dead database": {metrics.Figures{Database: errors.New("locked by somebody")}, 503, "the database does not answer\n"},
	} {
		w := httptest.NewRecorder()
		metrics.New(func(context.Context) metrics.Figures { return c.figures }, nil).Health().ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != c.code || w.Body.String() != c.word {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

func TestADeadDatabaseIsTold(t *testing.T) {
	m := metrics.New(func(context.Context) metrics.Figures {
		return metrics.Figures{Version: "v1", Database: errors.New("gone")}
	}, nil)
	if text := exposed(t, m); !strings.Contains(text, `ardoise_up{version="v1"} 0`) {
		t.Error("the database does not answer, and up is not 0")
	}
}
