// Package endoflife is the feed of the end-of-life dates of endoflife.date
// (https://endoflife.date/docs/api/v1/).
package endoflife

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "endoflife"

// Bounds of what is read. The file has about 3 MiB.
const (
	maxFile     = 64 << 20
	maxReleases = 1000 // of a product
)

const file = "products/full"

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "endoflife.date",
		Address:     "https://endoflife.date/api/v1",
		Format:      "JSON, one file",
		Licence:     "MIT",
		Terms:       "https://github.com/endoflife-date/endoflife.date/blob/master/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Enrichment,
		Default:     true,
		First:       feed.Cost{Download: 3 << 20, Disk: 1 << 20, Memory: 32 << 20, Time: 10 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   []whole.File{{Name: file, Limit: maxFile}},
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(paths[0]) },
			}, nil
		},
	}
}

// records yields a record for each product that is a distribution.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		found := false
		for v, err := range whole.ValuesIn(path, maxFile) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			if v.Name != "result" {
				continue
			}
			found = true
			i := 0
			for b, err := range whole.Items(v) {
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				i++
				a, ok, err := convert(b)
				if !ok && err == nil {
					continue
				}
				name := a.ID
				if name == "" {
					name = fmt.Sprintf("product %d", i)
				}
				if !yield(whole.Converted(name, a, err)) {
					return
				}
			}
		}
		if !found {
			yield(store.Record{}, errors.New("the file has no products"))
		}
	}
}

// A product is one product with its releases.
type product struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Releases []struct {
		Name string `json:"name"`
		// The end of free security support, and that of extended support. Both may be null.
		End      string `json:"eolFrom"`
		Extended string `json:"eoesFrom"`
	} `json:"releases"`
}

var (
	releaseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	productName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// free are the products whose extended support is free: Debian's LTS.
var free = []string{"debian"}

// convert converts one product into a record whose affected entries have the releases as
// packages and their dates as versions. It is not ok for a product that is no
// distribution. Releases without a date are left out. On an error the result has at most
// an ID.
func convert(b []byte) (a advisory.Advisory, ok bool, err error) {
	var p product
	if err := json.Unmarshal(b, &p); err != nil {
		return a, false, err
	}
	if !productName.MatchString(p.Name) {
		return a, false, fmt.Errorf("invalid name of a product %.100q", p.Name)
	}
	if !distro.HasProduct(p.Name) {
		return a, false, nil
	}
	a = advisory.Advisory{ID: "EOL-" + p.Name, Summary: "End of life of " + strings.TrimSpace(p.Label+" "+p.Name)}
	if len(p.Releases) > maxReleases {
		return a, false, fmt.Errorf("the product has more than %d releases", maxReleases)
	}
	for _, r := range p.Releases {
		date := r.End
		if slices.Contains(free, p.Name) && r.Extended != "" {
			date = r.Extended
		}
		if date == "" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return a, false, fmt.Errorf("release %.40q: invalid date %.40q", r.Name, date)
		}
		if !releaseName.MatchString(r.Name) {
			return a, false, fmt.Errorf("invalid name of a release %.100q", r.Name)
		}
		a.Affected = append(a.Affected, advisory.Affected{
			Package:  advisory.Package{Ecosystem: distro.EndOfLifeEcosystem, Name: p.Name + "/" + r.Name},
			Versions: []string{date},
		})
	}
	return a, len(a.Affected) > 0, nil
}
