package python

import "testing"

func TestWantsMetadata(t *testing.T) {
	for path, want := range map[string]bool{
		// Where Python looks.
		"usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO":                                true,
		"usr/lib/python3/dist-packages/cryptography.egg-info/PKG-INFO":                                   true,
		"usr/lib/python3/dist-packages/pyasn1_modules-0.2.8.egg-info":                                    true,
		"usr/local/lib/python3.12/site-packages/pip-23.2.1.dist-info/METADATA":                           true,
		"opt/conda/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA":                      true,
		"root/.cache/pypoetry/virtualenvs/app-x/lib/python3.11/site-packages/a.dist-info/METADATA":       true,
		"app/tests/.venv/lib/python3.9/site-packages/six-1.16.0.dist-info/METADATA":                      true,
		"site-packages/w.EGG-INFO/PKG-INFO":                                                              true,
		"site-packages/f-1.0.dist-info/PKG-INFO":                                                         true,
		"site-packages/d-1.0-py3.9.egg/EGG-INFO/PKG-INFO":                                                true,
		"nix/store/abc-python3.11-six-1.16.0/lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA": true,
		// pip install --target.
		"opt/python/requests-2.31.0.dist-info/METADATA":   true,
		"app/deps/PyYAML-6.0-py3.11.egg-info/PKG-INFO":    true,
		"six-1.16.0.dist-info/METADATA":                   true,
		"app/eggs/zope.x-5.0-py3.8.egg/EGG-INFO/PKG-INFO": true,
		// Source trees.
		"src/flask/Flask.egg-info/PKG-INFO":                                                                    false,
		"src/flask/src/Flask.egg-info/PKG-INFO":                                                                false,
		"src/flask/PKG-INFO":                                                                                   false,
		"src/flask/.eggs/wheel-0.38.egg/EGG-INFO/PKG-INFO":                                                     false,
		"src/flask/build/bdist.linux-x86_64/wheel/Flask-2.2.2.dist-info/METADATA":                              false,
		"root/go/pkg/mod/google.golang.org/api@v0.287.1/third_party/uritemplates/METADATA":                     false,
		"usr/lib/google-cloud-sdk/platform/google_appengine/lib/antlr3/antlr_python_runtime.egg-info/PKG-INFO": false,
		// Parts of packages.
		"usr/lib/python3.12/site-packages/setuptools/_vendor/wheel-0.45.1.dist-info/METADATA":                                                    false,
		"app/deps/setuptools/_vendor/wheel-0.45.1.dist-info/METADATA":                                                                            false,
		"usr/lib/python3.12/site-packages/pkg_resources/tests/data/my-test-package_unpacked-egg/my_test_package-1.0-py3.7.egg/EGG-INFO/PKG-INFO": false,
		// Leftovers of pip.
		"usr/lib/python3.12/site-packages/~ip-23.2.1.dist-info/METADATA": false,
		// Caches.
		"root/.cache/uv/archive-v0/Zxc/six-1.16.0.dist-info/METADATA":                                                      false,
		"uvcache/archive-v0/Zxc/six-1.16.0.dist-info/METADATA":                                                             false,
		"opt/conda/pkgs/pip-23.3.1-py311h06a4308_0/lib/python3.11/site-packages/pip-23.3.1.dist-info/METADATA":             false,
		"opt/conda/pkgs/tzdata-2023c-pyhd8ed1ab_0/site-packages/tzdata-2023.3.dist-info/METADATA":                          false,
		"root/.local/share/virtualenv/wheel/3.11/image/1/CopyPipInstall/pip-23.0-py3-none-any/pip-23.0.dist-info/METADATA": false,
		// Test data.
		"src/syft/testdata/site-packages/x.dist-info/METADATA":                         false,
		"src/poetry/tests/fixtures/lib/python3.9/site-packages/a-1.dist-info/METADATA": false,
		"src/pip/tests/data/six-1.16.0.dist-info/METADATA":                             false,
		"usr/share/doc/python3-x/examples/six-1.16.0.dist-info/METADATA":               false,
		// Other files of such names and endings.
		"METADATA": false, "PKG-INFO": false, ".egg-info": false, "": false, "/": false,
		"site-packages/METADATA":                    false,
		"site-packages/.dist-info/METADATA":         false,
		"site-packages/EGG-INFO/PKG-INFO":           false,
		"site-packages/name/EGG-INFO/PKG-INFO":      false,
		"site-packages/six-1.16.0.dist-info/RECORD": false,
	} {
		if got := WantsMetadata(path); got != want {
			t.Errorf("WantsMetadata(%q) = %v", path, got)
		}
	}
}

func TestWantsEgg(t *testing.T) {
	for path, want := range map[string]bool{
		"usr/lib/python2.7/site-packages/six-1.16.0-py2.7.egg": true,
		"usr/lib/python2.7/site-packages/six/data/six-1.egg":   false,
		"src/six/dist/six-1.16.0-py2.7.egg":                    false,
		"src/six/.eggs/wheel-0.38-py3.egg":                     false,
		"testdata/site-packages/six-1.16.0-py2.7.egg":          false,
		"site-packages/.egg":                                   false,
	} {
		if got := WantsEgg(path); got != want {
			t.Errorf("WantsEgg(%q) = %v", path, got)
		}
	}
}

func TestWantsConda(t *testing.T) {
	for path, want := range map[string]bool{
		"opt/conda/conda-meta/openssl-1.1.1q-h7f8727e_0.json":        true,
		"opt/conda/envs/x/conda-meta/openssl-1.1.1q-h7f8727e_0.json": true,
		"conda-meta/openssl-1.1.1q-h7f8727e_0.json":                  true,
		"opt/conda/conda-meta/history":                               false,
		"opt/conda/conda-meta/x/openssl-1.1.1q-h7f8727e_0.json":      false,
		"opt/conda/pkgs/openssl-1.1.1q-h7f8727e_0/info/index.json":   false,
		"src/testdata/conda-meta/openssl-1.1.1q-h7f8727e_0.json":     false,
		"openssl-1.1.1q-h7f8727e_0.json":                             false,
	} {
		if got := WantsConda(path); got != want {
			t.Errorf("WantsConda(%q) = %v", path, got)
		}
	}
}
