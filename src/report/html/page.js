(function () {
  'use strict';
  document.documentElement.classList.add('js');
  var search = document.getElementById('search');
  var selects = Array.prototype.slice.call(document.querySelectorAll('.filters select'));
  var found = document.getElementById('found');
  var parts = Array.prototype.slice.call(document.querySelectorAll('.part'));
  var rows = Array.prototype.slice.call(document.querySelectorAll('.row')).map(function (element) {
    return { element: element, part: element.closest('.part'), text: null };
  });
  var opened = new Map(parts.map(function (part) { return [part, part.open]; }));
  var timer = 0;

  function holds(element, select) {
    if (!select.value) return true;
    var value = element.dataset[select.dataset.of] || '';
    return (' ' + value + ' ').indexOf(' ' + select.value + ' ') >= 0;
  }

  function apply() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var active = words.length > 0 || selects.some(function (select) { return select.value; });
    var shown = 0;
    var left = new Map();
    rows.forEach(function (row) {
      var fits = selects.every(function (select) { return holds(row.element, select); });
      if (fits && words.length) {
        if (row.text === null) row.text = row.element.textContent.toLowerCase();
        fits = words.every(function (word) { return row.text.indexOf(word) >= 0; });
      }
      row.element.hidden = !fits;
      if (fits) {
        shown += 1;
        left.set(row.part, (left.get(row.part) || 0) + 1);
      }
    });
    parts.forEach(function (part) {
      part.hidden = active && !left.get(part);
      if (active) part.open = Boolean(left.get(part)) && (left.get(part) <= 200 || opened.get(part));
      else part.open = opened.get(part);
    });
    document.documentElement.classList.toggle('few', active && shown <= 2000);
    found.textContent = active ? shown.toLocaleString('en') + ' of ' + rows.length.toLocaleString('en') + ' shown' : '';
  }

  function soon() {
    window.clearTimeout(timer);
    timer = window.setTimeout(apply, 150);
  }

  if (search) search.addEventListener('input', soon);
  selects.forEach(function (select) { select.addEventListener('change', apply); });
  window.addEventListener('beforeprint', function () {
    parts.forEach(function (part) { part.open = true; });
  });
  document.querySelectorAll('.tiles a').forEach(function (link) {
    link.addEventListener('click', function () {
      var part = document.getElementById(link.hash.slice(1));
      if (part) part.open = true;
    });
  });
}());
