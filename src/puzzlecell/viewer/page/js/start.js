"use strict";
// Last of all scripts: the description of the run has been read, or says why not.
puzzlecell.route.start();
