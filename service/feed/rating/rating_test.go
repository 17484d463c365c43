package rating

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"assay/service/advisory"
)

func TestOrder(t *testing.T) {
	const (
		v2  = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
		v30 = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
		v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
		v4  = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"
	)
	var l List
	l.Add(ByOther, "redhat", v31, 9.8)
	l.Add(advisory.RatedByNVD, "", v2, 7.5)
	l.Add(advisory.RatedByADP, "CISA-ADP", v31, 9.8)
	l.Add(advisory.RatedByCNA, "GitHub_M", v2, 7.5)
	l.Add(advisory.RatedByCNA, "GitHub_M", v30, 9.8)
	l.Add(advisory.RatedByCNA, "GitHub_M", v4, 6.9)
	l.Add(advisory.RatedByCNA, "GitHub_M", v31, 9.8)
	l.Add(advisory.RatedByCNA, "GitHub_M", v31, 9.8) // again
	l.Add(advisory.RatedByCNA, "GitHub_M", "", 0)
	l.Add(advisory.RatedByCNA, "GitHub_M", "HIGH", 0)
	got := ""
	for _, r := range l.Sorted() {
		got += fmt.Sprintf("%s %s %s %.1f\n", r.By, r.Type, r.Score[:8], r.Base)
	}
	want := `cna CVSS_V4 CVSS:4.0 6.9
cna CVSS_V3 CVSS:3.1 9.8
cna CVSS_V3 CVSS:3.0 9.8
cna CVSS_V2 AV:N/AC: 7.5
cisa-adp CVSS_V3 CVSS:3.1 9.8
nvd CVSS_V2 AV:N/AC: 7.5
other CVSS_V3 CVSS:3.1 9.8
`
	if got != want || l.Invalid != 1 {
		t.Errorf("%s%d invalid, want\n%s", got, l.Invalid, want)
	}
	if s := l.Severity(); len(s) != 4 || s[0].Score != v4 || s[3].Score != v2 {
		t.Errorf("severity %v", s)
	}
	var specific struct {
		Ratings []advisory.Rating
		Tag     string
		Invalid int `json:"invalid_ratings"`
	}
	if err := json.Unmarshal(l.Specific(map[string]any{"tag": "x", "empty": ""}), &specific); err != nil ||
		len(specific.Ratings) != 7 || specific.Ratings[0] != l.Sorted()[0].Rating || specific.Tag != "x" || specific.Invalid != 1 {
		t.Errorf("specific %+v, %v", specific, err)
	}
	if b := new(List).Specific(map[string]any{"empty": ""}); b != nil {
		t.Errorf("specific %s", b)
	}
}

func TestVectors(t *testing.T) {
	for in, want := range map[string]string{
		"CVSS:3.1/AC:L/AV:N/A:H/C:H/I:H/PR:N/S:C/UI:N":                                     "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
		"CVSS:4.0/AC:L/AV:N/AT:N/PR:H/UI:P/VC:H/VI:H/VA:H/SC:L/SI:L/SA:L/RE:L":             "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:P/VC:H/VI:H/VA:H/SC:L/SI:L/SA:L/RE:L",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L/E:U":                                 "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L/E:U",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/AV:L":                                "",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H":                                         "",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X":                                     "",
		"CVSS:5.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":                                     "",
		"(AV:N/AC:L/Au:N/C:P/I:P/A:P)":                                                     "",
		"7.5/CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H":                                 "",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" + strings.Repeat("/X:Y", maxVector): "",
	} {
		s, _, ok := parse(in)
		if ok != (want != "") || s.Score != want {
			t.Errorf("%.80s: %q, %t, want %q", in, s.Score, ok, want)
		}
	}
}

// A parsed vector is parsed again to the same.
func FuzzParse(f *testing.F) {
	f.Add("CVSS:3.1/AC:L/AV:N/A:H/C:H/I:H/PR:N/S:C/UI:N")
	f.Add("AV:N/AC:L/Au:N/C:P/I:P/A:P")
	f.Fuzz(func(t *testing.T, s string) {
		got, _, ok := parse(s)
		if !ok {
			return
		}
		if again, _, ok := parse(got.Score); !ok || again != got {
			t.Errorf("%q: %q, again %q, %t", s, got.Score, again.Score, ok)
		}
	})
}
