package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/store"
)

// storeWork is what the commands on the store share.
type storeWork struct {
	client
	order access.StoreOrder
	rate  int // MB/s
}

func storeCommand() *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "look after the chunks that masters are made of", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: stats, gc, scrub, recompress, rebuild-index or check")
		}}
	c.AddCommand(
		storeVerb("stats", "show how much is stored, and how much of it masters need", showStats),
		storeVerb("gc", "remove what no master needs, the second time that it is found so", showCollected),
		storeVerb("scrub", "read everything and name what is damaged", showScrubbed),
		storeVerb("recompress", "make what is stored smaller, at the cost of much computing", showRecompressed),
		storeVerb("rebuild-index", "make the index again from the packs alone", showRebuilt),
		storeVerb("check", "look whether every master is signed, whole and has all its chunks", showFound))
	return c
}

// storeVerb is one command on the store. show prints its result for a person, and says by an error that something is
// wrong with the store.
func storeVerb[Result any](verb, short string, show func(w io.Writer, r Result) error) *cobra.Command {
	var k storeWork
	c := k.flags(&cobra.Command{Use: verb, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if k.rate < 0 {
				return usagef("--rate is a number of megabytes a second, not %d", k.rate)
			}
			k.order.Rate = int64(k.rate) * 1_000_000
			if err := k.checkFrom(); err != nil {
				return err
			}
			raw, err := k.run(c, verb)
			if err != nil {
				return err
			}
			var r Result
			if err := json.Unmarshal(raw, &r); err != nil {
				return fmt.Errorf("reading the result: %w", err)
			}
			if !k.json {
				return show(c.OutOrStdout(), r)
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return errors.Join(e.Encode(r), show(io.Discard, r))
		}})
	if verb == "gc" || verb == "scrub" || verb == "recompress" {
		c.Flags().IntVar(&k.rate, "rate", 0, "read at most so many megabytes a second (default: as fast as it goes)")
	}
	if verb == "scrub" {
		c.Flags().BoolVar(&k.order.Content, "content", false, "prove every chunk's content too, not only checksums")
		c.Flags().StringVar(&k.order.From, "from", "", "heal what is damaged from another data folder, or a copy of one")
	}
	return c
}

// checkFrom refuses a folder that heals nothing before anything is read. The daemon needs its whole path.
func (k *storeWork) checkFrom() error {
	if k.order.From == "" {
		return nil
	}
	r, err := replicaAt(k.order.From, k.data)
	if err != nil {
		return err
	}
	k.order.From = r.dir
	_, err = r.open()
	return err
}

// run asks the daemon, which holds the folder while it runs, else does the work itself.
func (k *storeWork) run(c *cobra.Command, verb string) (raw json.RawMessage, err error) {
	bar := newBar(c.ErrOrStderr(), k.json)
	defer bar.end()
	progress := func(phase string, done, total int64) {
		bar.things = phase != "scrub" && phase != "rewrite"
		bar.show(phase, done, total)
	}
	d, err := k.dial(c.Context())
	if err == nil {
		return d.Store(c.Context(), verb, k.order, progress)
	}
	var silent *api.NotRunningError
	if !errors.As(err, &silent) {
		return nil, err
	}
	return runHere(c.Context(), k.data, verb, k.order, progress)
}

func runHere(ctx context.Context, data, verb string, o access.StoreOrder, progress func(string, int64, int64)) (raw json.RawMessage, err error) {
	lib, err := openLibrary(data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lib.Close()) }()
	result, err := access.RunStore(ctx, lib, verb, o, progress)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// several is a number of things in words.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func showStats(w io.Writer, v store.Survey) error {
	table(w, [][]string{{"packs", strconv.Itoa(v.Packs)}, {"stored", bytesText(v.Bytes)}, {"chunks", strconv.Itoa(v.Chunks)},
		{"needed", fmt.Sprintf("%d chunks, %s", v.LiveChunks, bytesText(v.LiveBytes))},
		{"not needed", fmt.Sprintf("%d chunks, %s", v.OrphanChunks, bytesText(v.OrphanBytes))},
		{"recompressed", fmt.Sprintf("%d packs", v.Recompressed)},
		{"damaged", fmt.Sprintf("%d packs, %d frames, of which %d are nowhere else", v.Damaged, v.Quarantined, v.Lost)}})
	return nil
}

func showCollected(w io.Writer, c store.Collected) error {
	_, _ = fmt.Fprintf(w, "%s freed: %s removed, %s moved\n", bytesText(max(0, c.FreedBytes)), several(c.RemovedPacks, "pack"), bytesText(c.MovedBytes))
	if c.WaitingChunks > 0 {
		_, _ = fmt.Fprintf(w, "%s in %s will be removed the next time, unless something needs them by then\n",
			bytesText(c.WaitingBytes), several(c.WaitingChunks, "chunk"))
	}
	if c.WaitingChunks == 0 && c.DeadBytes > 0 && c.FreedBytes <= 0 && c.SkippedPacks == 0 {
		_, _ = fmt.Fprintf(w, "%s that nothing needs stay in packs that are mostly needed, in use, or the newest one\n", bytesText(c.DeadBytes))
	}
	showNoRoom(w, c.NoRoom)
	if c.MissingChunks > 0 {
		return &noticeError{code: "unsound", detail: fmt.Sprintf("%d chunks that masters need are missing", c.MissingChunks)}
	}
	return nil
}

// showNoRoom says what was left on a full disk.
func showNoRoom(w io.Writer, n store.NoRoom) {
	if n.SkippedPacks > 0 {
		_, _ = fmt.Fprintf(w, "%d packs were left, since they are copied before they are removed: the next of them needs %s more room\n",
			n.SkippedPacks, bytesText(n.LackingBytes))
	}
}

func showScrubbed(w io.Writer, r store.Scrubbed) error {
	_, _ = fmt.Fprintf(w, "%s, %s, %s read\n", several(r.Packs, "pack"), several(r.Frames, "frame"), bytesText(r.Bytes))
	for _, d := range r.Damaged {
		_, _ = fmt.Fprintln(w, oneLine(d))
	}
	for _, q := range r.Bad {
		_, _ = fmt.Fprintf(w, "pack %d, byte %d: chunk %s: %s\n", q.Pack, q.Offset, q.ID, oneLine(q.Reason))
	}
	if r.Sound > 0 {
		_, _ = fmt.Fprintf(w, "%d frames that were damaged could be read again\n", r.Sound)
	}
	if r.Healed > 0 {
		_, _ = fmt.Fprintf(w, "%d chunks were healed\n", r.Healed)
	}
	if r.Unhealed != "" {
		_, _ = fmt.Fprintf(w, "healing ended early: %s\n", oneLine(r.Unhealed))
	}
	if r.Lost+len(r.Damaged) > 0 {
		return &noticeError{code: "unsound", detail: fmt.Sprintf("%d chunks are nowhere else, %d packs are damaged as a whole",
			r.Lost, len(r.Damaged))}
	}
	return nil
}

func showRecompressed(w io.Writer, r store.Recompressed) error {
	_, _ = fmt.Fprintf(w, "%s recompressed, %s freed\n", several(r.Packs, "pack"), bytesText(max(0, r.FreedBytes)))
	showNoRoom(w, r.NoRoom)
	return nil
}

func showRebuilt(w io.Writer, r store.Rebuilt) error {
	_, _ = fmt.Fprintf(w, "%s in %s\n", several(r.Chunks, "chunk"), several(r.Packs, "pack"))
	for _, d := range r.Damaged {
		_, _ = fmt.Fprintln(w, oneLine(d))
	}
	return nil
}

func showFound(w io.Writer, f masters.Found) error {
	for _, p := range f.Packs {
		_, _ = fmt.Fprintln(w, oneLine(p))
	}
	for _, d := range f.Damaged {
		_, _ = fmt.Fprintf(w, "%s: %s\n", d.Version, oneLine(d.Reason))
	}
	for _, l := range f.Lacking {
		_, _ = fmt.Fprintf(w, "%s: %d chunks are missing, the first is %s\n", l.Version, l.Chunks, l.First)
	}
	_, _ = fmt.Fprintf(w, "%s, %d chunks of theirs are here; %d others, %s, are needed by none\n", several(f.Versions, "version"),
		f.Chunks, f.Orphans, bytesText(f.OrphanLen))
	if !f.Sound() {
		return &noticeError{code: "unsound", detail: fmt.Sprintf("%d versions are damaged, %d lack chunks, %d packs are damaged",
			len(f.Damaged), len(f.Lacking), len(f.Packs))}
	}
	return nil
}
