import{L as a,M as b}from"./chunk-VW2DN7SJ.js";import"./chunk-OY7DUPH6.js";export{b as edit,a as insertFiles};
