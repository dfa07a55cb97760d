package metrics

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Figures are how the box is at one moment.
type Figures struct {
	Version   string
	Started   time.Time
	Computers map[Kind]int // by site and state
	Tasks     map[Kind]int // that are not over, by kind of job and state
	Sessions  []Session    // that run
	Versions  int          // of masters
	Stored    int64        // bytes of frames that versions need
	Damaged   int          // chunks that are damaged and not healed yet
	Free      int64        // bytes on the disk of the data folder
	Size      int64        // bytes
	Requests  map[string]int
	Helpers   map[string]int // that wake computers in rooms' networks, by state
	Database  error          // nil when it answers
	Agents    Agents
}

// Agents are what the agents' door has seen since the daemon was started.
type Agents struct {
	Versions   map[string]int   // enrolled agents that were heard within two minutes, by version
	Heartbeats map[string]int64 // requests that were answered, by what was asked for
	Refused    map[Asked]int64
	Closed     map[string]int64 // connections that came to nothing, by reason
}

// Asked names a group of requests by what was asked for and why it was refused.
type Asked struct{ For, Reason string }

// Kind names a group of computers by site and state, or of tasks by kind of job and state.
type Kind struct{ Of, State string }

// Session is a multicast session that runs.
type Session struct {
	Rate                      int64 // bytes of UDP payload a second
	Fast, Slow, HTTPS, Silent int   // computers
}

// Collector tells figures. It implements prometheus.Collector.
type Collector struct {
	figures func(context.Context) Figures

	up, started, computers, tasks, sessions, rate, members, versions, stored, damaged, free, size, requests *prometheus.Desc
	helpers, agents, heartbeats, refused, closed                                                            *prometheus.Desc
}

// patience is how long the figures may take: Prometheus gives up after ten seconds.
const patience = 8 * time.Second

func newCollector(figures func(context.Context) Figures) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ardoise_"+name, help, labels, nil)
	}
	return &Collector{
		figures:   figures,
		up:        desc("up", "1 while the database answers, else 0; the label tells the version that runs.", "version"),
		started:   desc("start_time_seconds", "When the daemon was started, seconds since 1970."),
		computers: desc("computers", "Computers, by site and state.", "site", "state"),
		tasks:     desc("tasks", "Tasks that are not over, by kind of job and state.", "kind", "state"),
		sessions:  desc("sessions", "Multicast sessions that run."),
		rate:      desc("session_send_bytes_per_second", "Bytes of UDP payload that all sessions send a second."),
		members:   desc("session_computers", "Computers of running sessions, by how they receive.", "by"),
		versions:  desc("master_versions", "Versions of masters that are kept."),
		stored:    desc("store_bytes", "Bytes of frames in the store."),
		damaged:   desc("store_damaged_chunks", "Chunks that are damaged and not healed yet."),
		free:      desc("data_free_bytes", "Bytes that are free on the disk of the data folder."),
		size:      desc("data_size_bytes", "Bytes that the disk of the data folder has."),
		requests:  desc("requests", "Requests of teachers, by state.", "state"),
		helpers:   desc("helpers", "Helpers that wake computers in rooms' networks, by state.", "state"),
		agents:    desc("agents", "Enrolled agents that were heard within two minutes, by their version.", "version"),
		heartbeats: desc("agent_heartbeats_total", "Requests of agents that were answered and by which they say that they are there.",
			"request"),
		refused: desc("agent_requests_refused_total", "Requests of agents that were refused, by what was asked for and the code that was told.",
			"request", "reason"),
		closed: desc("agent_connections_refused_total", "Connections of agents that came to nothing: in the handshake, or over the limits.",
			"reason"),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.started, c.computers, c.tasks, c.sessions, c.rate, c.members, c.versions, c.stored,
		c.damaged, c.free, c.size, c.requests, c.helpers, c.agents, c.heartbeats, c.refused, c.closed} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	f := c.figures(ctx)
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	up := 1.0
	if f.Database != nil {
		up = 0
	}
	tell(c.up, up, f.Version)
	tell(c.started, float64(f.Started.UnixMilli())/1000)
	for k, n := range f.Computers {
		tell(c.computers, float64(n), k.Of, k.State)
	}
	for k, n := range f.Tasks {
		tell(c.tasks, float64(n), k.Of, k.State)
	}
	var rate int64
	by := map[string]int{"fast": 0, "slow": 0, "https": 0, "silent": 0}
	for _, s := range f.Sessions {
		rate += s.Rate
		by["fast"] += s.Fast
		by["slow"] += s.Slow
		by["https"] += s.HTTPS
		by["silent"] += s.Silent
	}
	tell(c.sessions, float64(len(f.Sessions)))
	tell(c.rate, float64(rate))
	for how, n := range by {
		tell(c.members, float64(n), how)
	}
	tell(c.versions, float64(f.Versions))
	tell(c.stored, float64(f.Stored))
	tell(c.damaged, float64(f.Damaged))
	tell(c.free, float64(f.Free))
	tell(c.size, float64(f.Size))
	for state, n := range f.Requests {
		tell(c.requests, float64(n), state)
	}
	for state, n := range f.Helpers {
		tell(c.helpers, float64(n), state)
	}
	c.collectAgents(out, f.Agents)
}

// collectAgents tells the figures of the agents' door: what is there is a gauge, what has happened counters.
func (c *Collector) collectAgents(out chan<- prometheus.Metric, a Agents) {
	for version, n := range a.Versions {
		out <- prometheus.MustNewConstMetric(c.agents, prometheus.GaugeValue, float64(n), strings.ToValidUTF8(version, "?"))
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for what, n := range a.Heartbeats {
		count(c.heartbeats, n, what)
	}
	for x, n := range a.Refused {
		count(c.refused, n, x.For, x.Reason)
	}
	for reason, n := range a.Closed {
		count(c.closed, n, reason)
	}
}

// Metrics are the figures of one daemon. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
	figures  func(context.Context) Figures
	log      *slog.Logger
}

// New returns metrics that read their figures at each scrape. log may be nil.
func New(figures func(context.Context) Figures, log *slog.Logger) *Metrics {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{registry: prometheus.NewRegistry(), figures: figures, log: log, seconds: prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: "ardoise", Name: "http_request_seconds",
			Help:    "Seconds until a request was answered, by surface and the first digit of its status.",
			Buckets: []float64{.005, .01, .025, .05, .1, .2, .3, .5, 1, 2.5, 10, 30}},
		[]string{"surface", "status"})}
	m.registry.MustRegister(newCollector(figures), m.seconds, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the exposition.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4,
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn)})
}

// Watch counts the requests of one surface: agents, console or api.
func (m *Metrics) Watch(surface string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		m.seconds.WithLabelValues(surface, strconv.Itoa(seen.code/100)+"xx").Observe(time.Since(begun).Seconds())
	})
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
	told bool
}

// WriteHeader implements http.ResponseWriter.
func (s *status) WriteHeader(code int) {
	if !s.told && code >= 200 {
		s.code, s.told = code, true
	}
	s.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (s *status) Write(p []byte) (int, error) {
	s.told = true
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// leastFree is how many bytes the disk of the data folder must have free: below, nothing can be captured or decided.
const leastFree = 64 << 20

// Health answers 200 "ok" while the box can do its work, else 503 and why in a line. It tells strangers nothing more.
func (m *Metrics) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), patience)
		defer stop()
		f := m.figures(ctx)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		word, code := "ok", http.StatusOK
		switch {
		case f.Database != nil:
			m.log.Warn("the database does not answer", "error", f.Database)
			word, code = "the database does not answer", http.StatusServiceUnavailable
		case f.Size > 0 && f.Free < leastFree:
			word, code = "the disk of the data folder is full", http.StatusServiceUnavailable
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, word+"\n") // who has gone does not read
	})
}
