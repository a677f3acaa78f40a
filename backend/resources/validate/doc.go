// Package validate owns small validation helpers that several groups of
// resources share and k8s.io/apimachinery lacks. It knows no resource.
package validate
