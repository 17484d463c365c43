package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/feed"
	"assay/service/feed/sources"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) statusCommand() *cli.Command {
	return &cli.Command{
		Name:   "status",
		Usage:  "show the stored data and its age",
		Flags:  storeFlags(&cli.StringFlag{Name: "format", Usage: "print `FORMAT`: text, or json with the data and its sources", Value: "text"}),
		Action: d.status,
	}
}

func (d *daemon) status(c *cli.Context) error {
	format := c.String("format")
	if format != "text" && format != "json" {
		return hint.Errorf("give --format text or --format json", "unknown format %q", format)
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	head, err := st.Head(c.Context)
	if err != nil {
		return fmt.Errorf("read the state of the data: %w", err)
	}
	all, err := st.Sources(c.Context)
	if err != nil {
		return err
	}
	shown := d.sourceStatuses(feed.Visible(all))
	if format == "json" {
		out := json.NewEncoder(d.stdout)
		out.SetIndent("", "  ")
		return out.Encode(dataStatus{head.Records, optionalTime(head.Updated), head.Sample, shown})
	}
	scans, err := st.ListScans(c.Context, 1)
	if err != nil {
		return fmt.Errorf("read the scans: %w", err)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "advisories\t%d\n", head.Records)
	if head.Sample {
		fmt.Fprintf(w, "\tthis is sample data: import real advisories\n")
	}
	if head.Updated.IsZero() {
		fmt.Fprintf(w, "updated\tnever: run assayd update, or assayd import PATH\n")
	} else {
		age := d.now().Sub(head.Updated).Round(time.Second)
		fmt.Fprintf(w, "updated\t%s (%s ago)\n", head.Updated.UTC().Format(time.RFC3339), age)
		fmt.Fprintf(w, "newest record\t%s\n", head.Newest.UTC().Format(time.RFC3339))
	}
	last := "none yet"
	if len(scans) > 0 {
		last = fmt.Sprintf("%s at %s", scans[0].ID, scans[0].At.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "last scan\t%s\n", last)
	fmt.Fprintf(w, "served at\t%s\n", cmp.Or(publicURL(c.String("data")), "not yet served"))
	if err := w.Flush(); err != nil {
		return err
	}
	if err := d.sources(shown); err != nil {
		return err
	}
	return d.usage(c, st)
}

// usage prints how long scans are kept and how much room each kind of data takes.
func (d *daemon) usage(c *cli.Context, st store.Store) error {
	keep, err := st.KeepTime(c.Context)
	if err != nil {
		return err
	}
	usage, err := st.Usage(c.Context)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nKIND\tMIB\t\n")
	for _, u := range usage {
		fmt.Fprintf(w, "%s\t%.1f\t\n", u.Kind, float64(u.Bytes)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text := "for ever"
	if keep > 0 {
		text = fmt.Sprintf("for %d days", keep/(24*time.Hour))
	}
	_, err = fmt.Fprintf(d.stdout, "\nscans are kept %s, unless assayd serve has --keep\n", text)
	return err
}

// A dataStatus is the JSON of status.
type dataStatus struct {
	Advisories int            `json:"advisories"`
	Updated    *time.Time     `json:"updated,omitempty"`
	Sample     bool           `json:"sample,omitempty"`
	Sources    []sourceStatus `json:"sources"`
}

// A sourceStatus describes a source of the store.
type sourceStatus struct {
	Name        string     `json:"name"`
	Records     int        `json:"records"`
	Updated     *time.Time `json:"updated,omitempty"` // the last success
	Age         int64      `json:"age_seconds,omitempty"`
	Failed      *time.Time `json:"failed,omitempty"` // the last failure since then
	Error       string     `json:"error,omitempty"`
	Contributes string     `json:"contributes"`
	// Licence and Terms are empty for data that was imported from files.
	Licence   string `json:"licence,omitempty"`
	Terms     string `json:"terms,omitempty"`
	MayPassOn bool   `json:"may_pass_on"`
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (d *daemon) sourceStatuses(all []store.Source) []sourceStatus {
	list := sources.All()
	statuses := []sourceStatus{}
	for _, s := range all {
		status := sourceStatus{
			Name: s.Origin.String(), Records: s.Records, Updated: optionalTime(s.Updated), Failed: optionalTime(s.Failed),
			Error: verdict.Clean(s.Err), Contributes: verdict.SourceAdvisories,
		}
		if !s.Updated.IsZero() {
			status.Age = int64(d.now().Sub(s.Updated) / time.Second)
		}
		if i := slices.IndexFunc(list, func(f feed.Source) bool { return f.Name == s.Origin.Source }); i >= 0 {
			f := list[i]
			status.Contributes, status.Licence, status.Terms, status.MayPassOn = string(f.Contributes), f.Licence, f.Terms, f.MayPassOn
		}
		statuses = append(statuses, status)
	}
	return statuses
}

// sources prints the number of records of each source, its age, its licence, and its last
// error.
func (d *daemon) sources(all []sourceStatus) error {
	if len(all) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSOURCE\tRECORDS\tLAST SUCCESS\tAGE\tLICENCE\tLAST ERROR")
	for _, s := range all {
		at, age, failed := "never", "-", "-"
		if s.Updated != nil {
			at = s.Updated.Format(time.RFC3339)
			age = (time.Duration(s.Age) * time.Second).String()
		}
		if s.Failed != nil {
			failed = s.Failed.Format(time.RFC3339) + ": " + s.Error
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", verdict.Clean(s.Name), s.Records, at, age, cmp.Or(s.Licence, "-"), failed)
	}
	return w.Flush()
}
