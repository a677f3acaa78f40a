package serviceaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"pilothouse/backend/request"
	"pilothouse/backend/scheme"

	"github.com/go-jose/go-jose/v4"
)

// The paths of the documents by which others check tokens of this server
// (OpenID Connect Discovery 1.0).
const (
	ConfigurationPath = "/.well-known/openid-configuration"
	KeysPath          = "/openid/v1/jwks"
)

// Discovery serves the documents.
type Discovery struct {
	issuer, keysURI string
	keys            *Keys
	made            atomic.Pointer[documents]
}

// documents are what was made of one state of the keys.
type documents struct {
	of                  *keySet
	configuration, keys []byte
}

// NewDiscovery gives the documents of an issuer, which must be an https URL.
// keysURI is where others find the keys; empty means KeysPath at address, this
// server's host and port.
func NewDiscovery(issuer, keysURI, address string, keys *Keys) (*Discovery, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "https":
		return nil, fmt.Errorf("issuer URL must use https scheme, got: %s", issuer)
	case u.RawQuery != "":
		return nil, fmt.Errorf("issuer URL may not include a query, got: %s", issuer)
	case u.Fragment != "":
		return nil, fmt.Errorf("issuer URL may not include a fragment, got: %s", issuer)
	}
	if keysURI == "" {
		keysURI = (&url.URL{Scheme: "https", Host: address, Path: KeysPath}).String()
	}
	d := &Discovery{issuer: issuer, keysURI: keysURI, keys: keys}
	_, err = d.documents()
	return d, err
}

// Handles tells the paths that Handle answers.
func (d *Discovery) Handles(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return path == ConfigurationPath || path == KeysPath
}

// Paths lists them.
func (d *Discovery) Paths() []string { return []string{ConfigurationPath, KeysPath} }

// Handle answers with one of the documents.
func (d *Discovery) Handle(_ context.Context, r *request.Request) (*request.Response, error) {
	keys := strings.TrimSuffix(r.Path, "/") == KeysPath
	produced := "application/json"
	if keys {
		produced = "application/jwk-set+json"
	}
	if err := scheme.OnlyGet(r.Method, r.Header.Get("Accept"), produced); err != nil {
		return nil, err
	}
	made, err := d.documents()
	if err != nil {
		return nil, err
	}
	response := &request.Response{
		ContentType: produced, Body: made.configuration,
		Header: []request.HeaderLine{{Name: "Cache-Control", Value: "public, max-age=3600"}},
	}
	if keys {
		response.Body = made.keys
	}
	return response, nil
}

// documents gives those of the keys as they are.
func (d *Discovery) documents() (*documents, error) {
	set := d.keys.current.Load()
	if set == nil {
		return nil, errors.New("no keys provided for validating keyset")
	}
	if made := d.made.Load(); made != nil && made.of == set {
		return made, nil
	}
	made, err := d.make(set)
	if err != nil {
		return nil, err
	}
	d.made.Store(made)
	return made, nil
}

func (d *Discovery) make(set *keySet) (*documents, error) {
	var keys jose.JSONWebKeySet
	var algorithms []string
	for _, k := range set.all {
		keys.Keys = append(keys.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig"})
		algorithms = append(algorithms, string(k.algorithm))
	}
	slices.Sort(algorithms)
	configuration, err := json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		KeysURI       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{d.issuer, d.keysURI, []string{"id_token"}, []string{"public"}, slices.Compact(algorithms)})
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return &documents{set, configuration, content}, nil
}
