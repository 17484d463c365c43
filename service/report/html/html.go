// Package html renders a scan as one page of HTML. The page needs no script and no other
// file, so that it works from a disk. A small script adds a filter.
//
// What it shows comes from images, feeds and files of exceptions. html/template escapes
// it, links lead only to the sites in link.go, and the policy of the page allows no script
// and no style but its own.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"assay/service/report"
)

//go:embed page.gohtml
var gohtml string

//go:embed page.css
var css string

//go:embed page.js
var js string

var page = template.Must(template.New("page").Parse(gohtml))

// Format is the page.
func Format() report.Format {
	return report.Format{Name: "html", Type: "text/html; charset=utf-8", Extension: ".html", Render: Render}
}

// Render writes the page of a scan.
func Render(w io.Writer, s report.Scan) error { return page.Execute(w, newView(s)) }

// CSS is the style of the page, for other pages of the service.
func CSS() string { return css }

// Policy is the content security policy of a report, and of other pages with its style.
func Policy() string { return policy("'none'") }

// FormPolicy is Policy for a page with a form that is sent to its own host.
func FormPolicy() string { return policy("'self'") }

func policy(forms string) string {
	return "default-src 'none'; style-src " + hash(css) + "; script-src " + hash(js) +
		"; img-src data:; base-uri 'none'; form-action " + forms
}

// hash returns the source expression that allows an inline text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
