package ruby

import "testing"

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/share/rubygems-integration/all/specifications/rake-13.0.6.gemspec":          true,
		"usr/lib/ruby/gems/3.1.0/specifications/rss-0.2.9.gemspec":                       true,
		"usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec":              true,
		"var/lib/gems/3.1.0/specifications/rack-2.2.4.gemspec":                           true,
		"usr/local/bundle/specifications/nokogiri-1.15.0-x86_64-linux.gemspec":           true,
		"app/vendor/bundle/ruby/3.1.0/specifications/rack-2.2.4.gemspec":                 true,
		"usr/local/rvm/gems/ruby-3.1.0@app/specifications/rack-2.2.4.gemspec":            true,
		"specifications/rack-2.2.4.gemspec":                                              true,
		"app/vendor/bundle/ruby/3.1.0/bundler/gems/rack-0123456789ab/rack.gemspec":       true,
		"usr/local/bundle/bundler/gems/rails-0123456789ab/actionpack/actionpack.gemspec": true,

		// Inside gems and other source trees.
		"var/lib/gems/3.1.0/gems/rack-2.2.4/rack.gemspec":                                                           false,
		"usr/local/rvm/gems/ruby-3.1.0@app/gems/rack-2.2.4/rack.gemspec":                                            false,
		"var/lib/gems/3.1.0/gems/rubygems-update-3.3.15/test/rubygems/specifications/foo-0.0.1-x86-mswin32.gemspec": false,
		"usr/src/ruby/test/rubygems/specifications/bar-0.0.2.gemspec":                                               false,
		"app/myapp.gemspec":       false,
		"bundler/bundler.gemspec": false,
		"usr/local/bundle/bundler/gems/rails-0123456789ab/actionpack/test/x.gemspec": false,
		"usr/local/bundle/bundler/gems/rails-0123456789ab/spec/other/other.gemspec":  false,
		"gems/rails-0123456789ab/rails.gemspec":                                      false,
		"src/thrift/lib/rb/thrift.gemspec":                                           false,

		// Not in a gem home.
		"usr/lib/ruby/gems/3.1.0/specifications/pkg/nested.gemspec":       false,
		"usr/lib/ruby/gems/3.1.0/specifications/default/x/nested.gemspec": false,
		"usr/lib/ruby/gems/3.1.0/default/json-2.6.1.gemspec":              false,
		"src/syft/testdata/pkgs/ruby/specifications/bundler.gemspec":      false,
		"src/app/spec/fixtures/specifications/default/bundler.gemspec":    false,
		"usr/share/doc/ruby-x/examples/specifications/x-1.gemspec":        false,
		"x.gemspec": false, ".gemspec": false, "": false, "/": false, "specifications/.gemspec": false, "default/x.gemspec": false,
		"specifications/rack-2.2.4.gemspec.rz": false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %v", path, got)
		}
	}
}
