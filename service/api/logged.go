package api

import "regexp"

// secret is what a token looks like, also cut short.
var secret = regexp.MustCompile(`assay_[0-9A-Za-z]{8,}`)

// unsecret returns what a client sent without the tokens in it: people paste one into
// an address.
func unsecret(s string) string { return secret.ReplaceAllString(s, "[token]") }
