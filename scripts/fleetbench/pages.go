package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pages are the answers to one kind of page in one scene. Times are milliseconds.
type Pages struct {
	Scene  string  `json:"scene"`
	Page   string  `json:"page"`
	Count  int     `json:"count"`
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
	Worst  float64 `json:"worst_ms"`
	CPU    float64 `json:"processor_ms"` // of the daemon for one page, mean; 0: several people asked at once
	Bar    string  `json:"bar"`
}

// Visit is what a first visit fetches.
type Visit struct {
	Answers int `json:"answers"`
	Bytes   int `json:"bytes"` // of bodies, compressed as they travel
}

// browser asks for pages as one technician's browser would.
type browser struct {
	base   string
	client *http.Client
}

func newBrowser(d *daemon) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	// The certificate is the box's own: this is its own loopback.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true, MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true}
	return &browser{base: "https://" + d.console, client: &http.Client{Jar: jar, Transport: transport, Timeout: time.Minute}}, nil
}

const (
	login    = "bench"
	password = "correct horse bench"
)

// first makes the first administrator.
func (b *browser) first(ctx context.Context, link string) error {
	u, err := url.Parse(link)
	if err != nil || link == "" {
		return fmt.Errorf("the daemon printed no link for the first administrator (%q): %w", link, err)
	}
	return b.post(ctx, u.Path, url.Values{"login": {login}, "name": {"Banc"}, "password": {password}, "again": {password}})
}

// signIn opens a session.
func (b *browser) signIn(ctx context.Context) error {
	return b.post(ctx, "/login", url.Values{"login": {login}, "password": {password}})
}

func (b *browser) post(ctx context.Context, path string, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %.300s", path, answer.Status, body)
	}
	return nil
}

// get fetches a page and returns it as it travels, and how long it took.
func (b *browser) get(ctx context.Context, path string) (body []byte, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept-Encoding", "gzip")
	begun := time.Now()
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	took = time.Since(begun)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, answer.Status)
	}
	if err == nil && answer.Request.URL.Path == "/login" && path != "/login" {
		err = fmt.Errorf("%s asks to sign in", path)
	}
	return body, took, err
}

// click lets several technicians ask for the pages in turn for a while, or until each has asked often enough.
func click(ctx context.Context, d *daemon, scene string, pages []string, people, times int) ([]Pages, error) {
	var mu sync.Mutex
	took, worked := map[string][]float64{}, map[string]float64{}
	var wg sync.WaitGroup
	errs := make(chan error, people)
	for i := range people {
		b, err := newBrowser(d)
		if err != nil {
			return nil, err
		}
		if err := b.signIn(ctx); err != nil {
			return nil, err
		}
		wg.Go(func() {
			for n := range times * len(pages) {
				page := pages[(n+i)%len(pages)]
				before, err := d.processor()
				if err != nil {
					errs <- err
					return
				}
				_, t, err := b.get(ctx, page)
				if err != nil {
					errs <- err
					return
				}
				after, err := d.processor()
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				took[page] = append(took[page], float64(t.Microseconds())/1000)
				worked[page] += 1000 * (after - before)
				mu.Unlock()
				select { // a person looks at what he sees
				case <-ctx.Done():
				case <-time.After(150 * time.Millisecond):
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
	}
	var out []Pages
	for _, page := range pages {
		t := took[page]
		slices.Sort(t)
		x := Pages{Scene: scene, Page: page, Count: len(t), Median: t[len(t)/2], P99: t[(len(t)-1)*99/100], Worst: t[len(t)-1]}
		if people == 1 {
			x.CPU = worked[page] / float64(len(t))
		}
		out = append(out, x)
	}
	return out, nil
}

var assetPattern = regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`)

// visit fetches a page and what it names, as a browser that was never here.
func visit(ctx context.Context, b *browser, path string) (*Visit, error) {
	unpacked := &http.Client{Jar: b.client.Jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := unpacked.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	paths := []string{path}
	for _, m := range assetPattern.FindAllSubmatch(text, -1) {
		if p, _, _ := strings.Cut(string(m[1]), "#"); !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	v := &Visit{}
	for _, p := range paths {
		body, _, err := b.get(ctx, p)
		if err != nil {
			return nil, err
		}
		v.Answers, v.Bytes = v.Answers+1, v.Bytes+len(body)
	}
	return v, nil
}
